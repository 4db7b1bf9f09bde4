"""BCDR's benchmark subsets (F01 to F03 film, D01, D02, DN01 digital): TIFF images, CSV tables.

A row of an outlines table is one lesion on one view; `image_view` counts from 1 there and from 0 in
the tables of images, so the file's name decides: `img_PATIENT_STUDY_SERIES_VIEW.tif`.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Outline, clipped, polygon_or_disc
from training.datasets.readers.files import Size, look, unlisted
from training.datasets.readers.values import density, laterality, whole
from training.datasets.record import (
    Annotation,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    worst,
)

NAME = "bcdr"
FILE = re.compile(r"img_(\d+)_(\d+)_(\d+)_([LR])(CC|MLO|O)\.tiff?", re.IGNORECASE)
SUBSET = re.compile(r"bcdr[_-]?(F0[123]|D0[12]|DN01)", re.IGNORECASE)
NORMALS = "DN01"
LONGEST = 1 << 22  # characters of a field: outlines have thousands of points
VIEWS = ("RCC", "LCC", "RO", "LO")  # the code of a view, from 0 or from 1
LABELS = {"malign": Label.MALIGNANT, "malignant": Label.MALIGNANT, "benign": Label.BENIGN}
PATTERNS = (  # columns with 0 or 1; the first that holds
    ("mammography_nodule", Pattern.MASS),
    ("mammography_calcification", Pattern.CALCIFICATION),
    ("mammography_microcalcification", Pattern.CALCIFICATION),
    ("mammography_architectural_distortion", Pattern.DISTORTION),
    ("mammography_stroma_distortion", Pattern.DISTORTION),
    ("mammography_axillary_adenopathy", Pattern.OTHER),
)


def recognises(folder: Path) -> bool:
    """Whether there is a table of outlines or of images as BCDR's are called."""
    return any(SUBSET.search(path.name) for path in _tables(folder))


def _tables(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.csv"), *folder.glob("*/*.csv")])


def read(folder: Path) -> Collection:
    """Every image that a table names or that lies there under a name of BCDR's."""
    problems: list[Problem] = []
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    tables = [path for path in _tables(folder) if SUBSET.search(path.name)]
    if not tables:
        raise DatasetError(f"{folder} holds no table of BCDR (bcdr_d01_outlines.csv or alike).")
    for table in tables:
        match = SUBSET.search(table.name)
        for number, row in _rows(table):
            name = row.get("image_filename", "").rpartition("/")[2]
            if not FILE.fullmatch(name):
                problems.append(Problem(Oddity.ROW_BROKEN, f"{table.name}:{number}", "file name"))
            else:
                rows[name].append(row | {"subset": match[1].upper() if match else ""})
    files = {
        path.name: path for path in sorted(folder.rglob("*.tif*")) if FILE.fullmatch(path.name)
    }
    studies: dict[str, set[str]] = defaultdict(set)
    for name in files.keys() | rows.keys():
        patient, study = name.split("_")[1:3]
        studies[patient].add(study)
    records = []
    for name in sorted(files.keys() | rows.keys()):
        try:
            several = len(studies[name.split("_")[1]]) > 1
            records.append(_record(folder, name, files.get(name), rows[name], several=several))
        except (KeyError, ValueError):
            problems.append(Problem(Oddity.ROW_BROKEN, name))
    problems += unlisted(folder, [record.file for record in records if record.file])
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered from 2; names and values without the blanks around them, the trimming noted."""
    before = csv.field_size_limit(LONGEST)
    try:
        with table.open(newline="", encoding="latin-1") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                values = {k.strip(): v or "" for k, v in row.items() if isinstance(k, str)}
                trimmed = {k: v.strip() for k, v in values.items()}
                short = (k for k in values if not k.startswith("lw_"))
                if any(values[k] != trimmed[k] for k in short):
                    trimmed["trimmed"] = "1"
                yield number, _full_names(trimmed)
    except csv.Error:
        raise DatasetError(f"{table} is no CSV table: get the file anew.") from None
    finally:
        csv.field_size_limit(before)


def _full_names(row: dict[str, str]) -> dict[str, str]:
    """Some tables write `_calcification` where others write `mammography_calcification`."""
    return {f"mammography{key}" if key.startswith("_") else key: row[key] for key in row}


def _record(
    folder: Path, name: str, path: Path | None, rows: list[dict[str, str]], *, several: bool
) -> Record:
    oddities = [Oddity.STUDIES_SEVERAL] * several
    match = FILE.fullmatch(name)
    if match is None:
        raise ValueError("no name of BCDR")
    patient, study, _, side, view = match.groups()
    if view.upper() == "O":
        oddities.append(Oddity.VIEW_FOLDED)
    oddities += [Oddity.ENTRY_MISSING] * (not rows)
    oddities += [Oddity.NAME_TRIMMED] * sum("trimmed" in row for row in rows)
    file, size = look(path or folder / name, None, oddities)
    outlines = [row for row in rows if "lw_x_points" in row]
    code = f"{side}{'CC' if view.upper() == 'CC' else 'O'}".upper()
    for row in rows:
        _compare_view(row, code, oddities)
    annotations = [_annotation(row, size, oddities) for row in outlines]
    described = next((row for row in rows if row.get("density")), rows[0] if rows else {})
    subsets = {row["subset"] for row in rows}
    label = worst(a.label for a in annotations if a.label)
    if not annotations and subsets == {NORMALS}:
        label = Label.NORMAL
    if len({a.label for a in annotations} - {None}) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    return Record(
        image=name.rpartition(".")[0],
        file=file,
        data_set=NAME,
        modality=_modality(subsets),
        patient=patient,
        laterality=laterality(side),
        view="CC" if view.upper() == "CC" else "MLO",
        size=size,
        native_size=size,
        study=study,
        device="/".join(sorted(subsets)) or None,
        age=whole(described.get("age", "")),
        density=density(described.get("density", ""), DensityScale.ACR_NUMBER, oddities),
        label=label,
        label_rule=LabelRule.PATHOLOGY,
        annotations=tuple(annotations),
        oddities=tuple(oddities),
    )


def _modality(subsets: set[str]) -> Modality:
    letters = {subset[:1] for subset in subsets}
    if letters == {"F"}:
        return Modality.FILM
    return Modality.DIGITAL if letters == {"D"} else Modality.UNKNOWN


def _compare_view(row: dict[str, str], code: str, oddities: list[Oddity]) -> None:
    """The table's code against the name's: from 1 beside outlines, from 0 elsewhere."""
    number = whole(row.get("image_view", ""))
    first = 1 if "lw_x_points" in row else 0
    if number is not None and number - first != VIEWS.index(code):
        oddities.append(Oddity.VIEW_CODE_DIFFERS)


def _annotation(row: dict[str, str], size: Size | None, oddities: list[Oddity]) -> Annotation:
    label = LABELS.get(row.get("classification", "").lower())
    oddities += [Oddity.PATHOLOGY_MISSING] * (label is None)
    kinds = [pattern for column, pattern in PATTERNS if row.get(column) == "1"]
    oddities += [Oddity.KINDS_SEVERAL] * (len(set(kinds)) > 1)
    place: Outline | None = None
    try:
        xs, ys = (list(map(float, row[key].split())) for key in ("lw_x_points", "lw_y_points"))
        oddities += [Oddity.POINTS_DIFFER] * (len(xs) != len(ys))
        place, disc = polygon_or_disc(list(zip(xs, ys, strict=False)))
        oddities += [Oddity.POINT_AS_DISC] * disc
        if size is not None:
            place, cut = clipped(place, size)
            oddities += [Oddity.OUTLINE_CLIPPED] * cut
    except (KeyError, ValueError):
        oddities.append(Oddity.OUTLINE_BROKEN)
    return Annotation(
        place,
        kinds[0] if kinds else Pattern.UNSAID,
        label,
        written=row.get("classification", ""),
        descriptors=tuple(
            f"{key} {row[key]}" for key in ("lesion_id", "segmentation_id") if row.get(key)
        ),
    )


def _of(letter: str, number: int) -> Published:
    kind = "film" if letter == "F" else "digital"
    modality = Modality.FILM if letter == "F" else Modality.DIGITAL
    return Published(
        f"{kind} images",
        number,
        lambda c: sum(r.modality is modality for r in c.records),
        "survey, table 1: the whole repository's; only small subsets are handed out",
    )


READER = Reader(
    NAME,
    "BCDR",
    recognises,
    read,
    (
        Published(
            "patients", 1734, lambda c: len(c.patients), "survey, table 1: the whole repository's"
        ),
        _of("F", 3703),
        _of("D", 3612),
    ),
    notes=("Normals are in DN01 alone. Film and digital subsets share no device.",),
)
