"""CDD-CESM's malignant low-energy images at 512 pixels, with outlines mapped to them.

Khaled et al., Scientific Data 9, 2022. The folder holds one class and next to nothing else.
"""

from pathlib import Path
from typing import Any

from training.datasets.collection import Collection, Published, Reader
from training.datasets.folders import labels, lesions
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import clipped, polygon_or_disc
from training.datasets.readers import cdd_cesm
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.values import birads, density, laterality, whole
from training.datasets.record import Annotation, DensityScale, Label, LabelRule, Pattern, Record

NAME = "cdd-cesm"
TRACED = "mask-contour"


def recognises(folder: Path) -> bool:
    """Whether a labels.csv has the columns of this folder."""
    path = folder / "labels.csv"
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return {"x_offset_native", "fit_iou"} <= set(file.readline().strip().split(","))


def read(folder: Path) -> Collection:
    """The images of `images/` and `native/`, in the order of labels.csv."""
    marked, problems = lesions(folder)
    records = []
    for number, row in enumerate(labels(folder), 2):
        try:
            records.append(_record(folder, row, marked.get(row["file"], [])))
        except (KeyError, ValueError, TypeError):
            problems.append(Problem(Oddity.ROW_BROKEN, f"labels.csv:{number}"))
    problems += unlisted(folder, [record.file for record in records if record.file])
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _record(folder: Path, row: dict[str, str], marks: list[dict[str, Any]]) -> Record:
    oddities: list[Oddity] = []
    file, size = look(folder / row["file"], (int(row["height"]), int(row["width"])), oddities)
    if row["image"].count("_") != 3 or row["image"].endswith("2"):
        oddities.append(Oddity.REPEATED_VIEW)
    if row["native_size_source"] == "unknown":
        oddities.append(Oddity.SCALE_UNKNOWN)
    label = Label(row["label"])
    native = row["native_height"], row["native_width"]
    return Record(
        # P3_L_DM_MLO stands in both folders.
        image=row["image"] if row["file"].startswith("images/") else f"native/{row['image']}",
        file=file,
        data_set=NAME,
        modality=cdd_cesm.MODALITIES[row["kind"]],
        patient=row["patient"],
        laterality=laterality(row["laterality"]),
        view=row["view"],
        size=size,
        native_size=(int(native[0]), int(native[1])) if all(native) else None,
        device=f"machine {row['machine']}",
        age=whole(row["age"]),
        density=density(row["density"], DensityScale.ACR_LETTER, oddities),
        birads=birads(row["birads"], oddities),
        label=label,
        label_rule=LabelRule.IMAGE,
        annotations=tuple(_annotation(mark, size, label, oddities) for mark in marks),
        oddities=tuple(oddities),
    )


def _annotation(
    mark: dict[str, Any], size: tuple[int, int] | None, label: Label, oddities: list[Oddity]
) -> Annotation:
    place, disc = polygon_or_disc([(float(x), float(y)) for x, y in mark["polygon"]])
    if disc:
        oddities.append(Oddity.POINT_AS_DISC)
    if mark["shape"] == TRACED:
        oddities.append(Oddity.OUTLINE_TRACED)
    if mark["shape"] == "polyline":
        oddities.append(Oddity.POLYLINE_CLOSED)
    if mark["shape"] in ("circle", "ellipse"):
        oddities.append(Oddity.SHAPE_AS_POLYGON)
    if size is not None:
        place, cut = clipped(place, size)
        oddities += [Oddity.OUTLINE_CLIPPED] * cut
    return Annotation(place, Pattern.UNSAID, label, written=mark["shape"])


def reduced(collection: Collection) -> list[Record]:
    """The images of `images/`, at 512 pixels."""
    return [record for record in collection.records if not record.image.startswith("native/")]


SOURCE = "the folder's README"

READER = Reader(
    NAME,
    "CDD-CESM, malignant low-energy images at 512 pixels",
    recognises,
    read,
    (
        Published("images at 512 pixels", 257, lambda c: len(reduced(c)), SOURCE),
        Published("their patients", 142, lambda c: len({r.patient for r in reduced(c)}), SOURCE),
        Published(
            "their outlines", 744, lambda c: sum(len(r.annotations) for r in reduced(c)), SOURCE
        ),
        Published("images", 265, lambda c: len(c.records), SOURCE),
        Published("patients", 143, lambda c: len(c.patients), SOURCE),
        Published("MLO", 140, lambda c: sum(r.view == "MLO" for r in c.records), SOURCE),
        Published("CC", 125, lambda c: sum(r.view == "CC" for r in c.records), SOURCE),
        Published("left", 147, lambda c: sum(r.laterality == "L" for r in c.records), SOURCE),
        Published("right", 118, lambda c: sum(r.laterality == "R" for r in c.records), SOURCE),
        Published("outlines", 748, lambda c: sum(len(r.annotations) for r in c.records), SOURCE),
    ),
    notes=(
        "One class: never report benign against malignant, or normal, on this folder alone.",
        "Many outlines are skin thickening or diffuse disease, no masses.",
    ),
)
