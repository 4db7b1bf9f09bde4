"""CBIS-DDSM's mass films, squeezed to 800 x 800, with boxes; eight of them in true shape.

Lee et al., Scientific Data 4:170177, 2017. Every film has a mass: its negative class is
"benign mass", never "normal".
"""

from pathlib import Path
from typing import Any

from training.datasets.collection import Collection, Published, Reader
from training.datasets.folders import labels, lesions
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Rectangle
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.values import birads, density, laterality
from training.datasets.record import (
    Annotation,
    BiRads,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    Split,
)

NAME = "cbis-ddsm-mass-800"


def recognises(folder: Path) -> bool:
    """Whether a labels.csv has the columns of this folder."""
    path = folder / "labels.csv"
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return {"stretched", "label_mass", "n_calc_rows"} <= set(file.readline().strip().split(","))


def read(folder: Path) -> Collection:
    """The films of `images/` and of `native/`, in the order of labels.csv."""
    rows = labels(folder)
    marked, problems = lesions(folder)
    records = []
    for number, row in enumerate(rows, 2):
        try:
            records.append(_record(folder, row, marked.get(row["file"], [])))
        except (KeyError, ValueError, TypeError):
            problems.append(Problem(Oddity.ROW_BROKEN, f"labels.csv:{number}"))
    problems += unlisted(folder, [record.file for record in records if record.file])
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _record(folder: Path, row: dict[str, str], marks: list[dict[str, Any]]) -> Record:
    oddities: list[Oddity] = []
    written = (int(row["height"]), int(row["width"]))
    file, size = look(folder / row["file"], written, oddities)
    if row["stretched"] == "1":
        oddities.append(Oddity.ASPECT_LOST)
    if row["side_agrees"] == "0":
        oddities.append(Oddity.CHEST_WALL_OTHER_SIDE)
    if row["n_calc_rows"] != "0":
        oddities.append(Oddity.KIND_UNMARKED)
    if row["label"] != row["label_mass"]:
        oddities.append(Oddity.LABEL_BY_OTHERS)
    annotations = tuple(_annotation(mark, oddities) for mark in marks)
    if len({a.label for a in annotations} - {None}) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    native = row["native_height"], row["native_width"]
    return Record(
        # The same film stands in both folders.
        image=row["image"] if row["stretched"] == "1" else f"native/{row['image']}",
        file=file,
        data_set=NAME,
        modality=Modality.FILM,
        patient=row["patient"],
        laterality=laterality(row["laterality"]),
        view=row["view"],
        size=size,
        native_size=(int(native[0]), int(native[1])) if all(native) else None,
        density=density(row["density"], DensityScale.ACR_NUMBER, oddities),
        birads=birads(row["birads"], oddities),
        label=Label(row["label"]),
        label_rule=LabelRule.PATHOLOGY,
        annotations=annotations,
        split=Split(row["split"]),
        oddities=tuple(oddities),
    )


def _annotation(mark: dict[str, Any], oddities: list[Oddity]) -> Annotation:
    x0, y0, x1, y1 = map(float, mark["bbox"])
    if mark["row_match"] == "set":
        oddities.append(Oddity.ORDER_UNKNOWN)
    if mark["pathology"] is None:
        oddities.append(Oddity.PATHOLOGY_MISSING)
    assessment = mark["assessment"]
    return Annotation(
        Rectangle((x0, y0, x1, y1)),
        Pattern.MASS,
        Label(mark["pathology"]) if mark["pathology"] else None,
        written=mark["pathology_raw"] or "",
        descriptors=tuple(mark[name] for name in ("mass_shape", "mass_margins") if mark[name]),
        birads=None if assessment is None else BiRads(str(assessment), int(assessment)),
    )


def squeezed(collection: Collection) -> list[Record]:
    """The films of `images/`; those of `native/` show some of them once more."""
    return [record for record in collection.records if not record.image.startswith("native/")]


def _films(what: str, number: int, **wanted: object) -> Published:
    return Published(
        what,
        number,
        lambda c: sum(
            all(getattr(record, name) == value for name, value in wanted.items())
            for record in squeezed(c)
        ),
        "the folder's README",
    )


def _boxes(what: str, number: int, label: Label | None) -> Published:
    return Published(
        what,
        number,
        lambda c: sum(a.label is label for r in squeezed(c) for a in r.annotations),
        "the folder's README",
    )


def _patients(what: str, number: int, split: Split | None) -> Published:
    return Published(
        what,
        number,
        lambda c: len({r.patient for r in squeezed(c) if split in (None, r.split)}),
        "the folder's README",
    )


READER = Reader(
    NAME,
    "CBIS-DDSM, mass films at 800 x 800",
    recognises,
    read,
    (
        _films("films", 1274),
        _patients("patients", 714, None),
        Published(
            "breasts", 745, lambda c: len({r.breast for r in squeezed(c)}), "the folder's README"
        ),
        _films("films labelled B", 664, label=Label.BENIGN),
        _films("films labelled M", 610, label=Label.MALIGNANT),
        _films("films of the official training part", 980, split=Split.TRAIN),
        _patients("patients of the official training part", 553, Split.TRAIN),
        _films("films of the official test part", 294, split=Split.TEST),
        _patients("patients of the official test part", 161, Split.TEST),
        _films("MLO", 684, view="MLO"),
        _films("CC", 590, view="CC"),
        _boxes("boxes, malignant", 626, Label.MALIGNANT),
        _boxes("boxes, benign", 701, Label.BENIGN),
        _boxes("boxes, not known which", 4, None),
        Published(
            "films in true shape",
            8,
            lambda c: len(c.records) - len(squeezed(c)),
            "the folder's README",
        ),
    ),
    notes=(
        "No normals: every film holds a mass. Benign against malignant only.",
        "The same women may be in DDSM and mini-DDSM: never train on one and test on the other.",
    ),
)
