"""INbreast (Moreira et al., Academic Radiology 19:236-248, 2012): 410 digital images, no pathology.

`AllDICOMs/NUMBER_HASH_MG_SIDE_VIEW_ANON.dcm` (headers are stripped: the name is the source),
`AllXML/NUMBER.xml` (Apple property lists of outlines, for images with findings alone) and
`INbreast.csv` (semicolons, Latin-1). BI-RADS is an image's; every outline inherits it.
"""

import csv
import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from training.datasets.collection import Collection, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Outline, clipped, polygon_or_disc
from training.datasets.readers.files import Size, look, unlisted
from training.datasets.readers.values import birads, laterality
from training.datasets.record import (
    Annotation,
    BiRads,
    Density,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
)

NAME = "inbreast"
FILE = re.compile(r"(\d{6,9})_([0-9A-Za-z]+)_MG_([LR])_(CC|MLO|ML)_ANON\.dcm")
POINT = re.compile(r"\(\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\)")
SPACING = 70.0  # micron, Siemens MammoNovation
SPICULES = re.compile(r"e?spiculated region", re.IGNORECASE)
PATTERNS = (  # the beginning of a ROI's name, lower case
    ("mass", Pattern.MASS),
    ("calcification", Pattern.CALCIFICATION),
    ("cluster", Pattern.CALCIFICATION),
    ("point", Pattern.CALCIFICATION),  # single ones are marked as points
    ("distortion", Pattern.DISTORTION),
    ("asymmetry", Pattern.ASYMMETRY),
    ("assymetry", Pattern.ASYMMETRY),
)
LABELS = {1: Label.NORMAL, 2: Label.BENIGN, 3: Label.BENIGN}  # 4 to 6: malignant


def recognises(folder: Path) -> bool:
    """Whether the folders of images or of outlines are there, and a table or a file as named."""
    named = any(FILE.fullmatch(path.name) for path in (folder / "AllDICOMs").glob("*.dcm"))
    return named or ((folder / "AllXML").is_dir() and (folder / "INbreast.csv").is_file())


def read(folder: Path) -> Collection:
    """Every image that lies there or that the table names."""
    problems: list[Problem] = []
    rows = {}
    table = folder / "INbreast.csv"
    if not table.is_file():
        detail = "save INbreast.xls as INbreast.csv, with semicolons"
        problems.append(Problem(Oddity.FILE_MISSING, table.name, detail))
    else:
        for number, row in _rows(table):
            key = row.get("File Name", "").removesuffix(".0")
            if not key.isdecimal():
                problems.append(Problem(Oddity.FOOTNOTE_ROW, f"{table.name}:{number}"))
            elif key in rows:
                problems.append(Problem(Oddity.ROW_REPEATED, f"{table.name}:{number}", key))
            else:
                rows[key] = row
    images = {
        match[1]: (path, match)
        for path in sorted((folder / "AllDICOMs").glob("*.dcm"))
        if (match := FILE.fullmatch(path.name))
    }
    keys = sorted(images.keys() | rows.keys())
    records = []
    for key in keys:
        try:
            record, broken = _record(folder, key, images.get(key), rows.get(key))
        except (KeyError, ValueError):
            problems.append(Problem(Oddity.ROW_BROKEN, key))
            continue
        records.append(record)
        problems += broken
    known = {f"{key}.xml" for key in keys}
    problems += [
        Problem(Oddity.FILE_UNLISTED, f"AllXML/{path.name}")
        for path in sorted((folder / "AllXML").glob("*.xml"))
        if path.name not in known
    ]
    images_named = [record.file for record in records if record.file]
    problems += unlisted(folder / "AllDICOMs", images_named, {".dcm"})
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered from 2; names and values without the blanks around them."""
    with table.open(newline="", encoding="latin-1") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=";"), 2):
            yield number, {k.strip(): (v or "").strip() for k, v in row.items() if k and k.strip()}


def _record(
    folder: Path,
    key: str,
    image: tuple[Path, re.Match[str]] | None,
    row: dict[str, str] | None,
) -> tuple[Record, list[Problem]]:
    oddities: list[Oddity] = []
    path, match = image or (None, None)
    file, size = look(path or folder / f"{key}.dcm", None, oddities)
    side = match[3] if match else (row or {})["Laterality"]
    view = match[4] if match else (row or {})["View"]
    if view == "ML":  # INbreast has no true lateral views: MLO
        view = "MLO"
        oddities.append(Oddity.VIEW_FOLDED)
    grade = None
    density = None
    if row is None:
        oddities.append(Oddity.ENTRY_MISSING)
    else:
        grade = birads(row.get("Bi-Rads", ""), oddities)
        density = _density(row.get("ACR", ""), oddities)
    label = _label(grade)
    annotations, broken = _annotations(
        folder / "AllXML" / f"{key}.xml", size, label, grade, oddities
    )
    if label is Label.NORMAL and annotations:
        oddities.append(Oddity.MARKED_BUT_NORMAL)
    record = Record(
        image=key,
        file=file,
        data_set=NAME,
        modality=Modality.DIGITAL,
        patient=match[2] if match else f"image {key}",  # without a file nobody knows whose it is
        laterality=laterality(side),
        view=view,
        size=size,
        native_size=size,
        spacing_um=SPACING,
        study=(row or {}).get("Acquisition date") or None,
        device="Siemens",
        density=density,
        birads=grade,
        label=label,
        label_rule=LabelRule.BIRADS,
        annotations=annotations,
        oddities=tuple(oddities),
    )
    return record, broken


def _density(written: str, oddities: list[Oddity]) -> Density | None:
    text = written.removesuffix(".0")
    if not text:
        oddities.append(Oddity.DENSITY_MISSING)
    elif text not in "1234":
        oddities.append(Oddity.VALUE_OUT_OF_SCALE)
    else:
        return Density(text, DensityScale.ACR_NUMBER)
    return None


def _label(grade: BiRads | None) -> Label | None:
    """1 is N, 2 and 3 are B, 4a to 6 are M: the usual rule, where no pathology exists."""
    if grade is None or not grade.number:
        return None
    return LABELS.get(grade.number, Label.MALIGNANT)


def _annotations(
    path: Path,
    size: Size | None,
    label: Label | None,
    grade: BiRads | None,
    oddities: list[Oddity],
) -> tuple[tuple[Annotation, ...], list[Problem]]:
    """The outlines of an image; none where there is no file, for then there is no finding."""
    if not path.is_file():
        if label is Label.MALIGNANT:
            oddities.append(Oddity.UNMARKED_LESION)
        return (), []
    try:
        rois = list(_rois(path))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
        ExpatError,
    ):
        return (), [Problem(Oddity.ROW_BROKEN, f"AllXML/{path.name}", "no list of outlines")]
    found = []
    masses = any(_pattern(name) is Pattern.MASS for name, _, _ in rois)
    for name, points, announced in rois:
        if SPICULES.fullmatch(name):
            if masses:  # drawn around the mass once more
                oddities.append(Oddity.SPICULES_OF_MASS)
                continue
            pattern = Pattern.DISTORTION
        else:
            pattern = _pattern(name) or Pattern.OTHER
            oddities += [Oddity.KIND_UNKNOWN] * (_pattern(name) is None)
        if announced != len(points):
            oddities.append(Oddity.POINTS_DIFFER)
        place: Outline | None = None
        try:
            place, disc = polygon_or_disc(points)
            oddities += [Oddity.POINT_AS_DISC] * disc
            if size is not None:
                place, cut = clipped(place, size)
                oddities += [Oddity.OUTLINE_CLIPPED] * cut
        except ValueError:
            oddities.append(Oddity.OUTLINE_BROKEN)
        inherited = None if label is Label.NORMAL else label
        found.append(Annotation(place, pattern, inherited, written=name, birads=grade))
    return tuple(found), []


def _rois(path: Path) -> Iterator[tuple[str, list[tuple[float, float]], int]]:
    """Name, points and announced number of points of each outline, by the property list's keys."""
    with path.open("rb") as file:
        document: dict[str, Any] = plistlib.load(file)
    for image in document["Images"]:
        for roi in image["ROIs"]:
            matches = [POINT.fullmatch(str(point).strip()) for point in roi.get("Point_px", [])]
            # One that is no point is skipped: the announced number tells.
            points = [(float(match[1]), float(match[2])) for match in matches if match]
            yield str(roi.get("Name", "")).strip(), points, int(roi.get("NumberOfPoints", 0))


def _pattern(name: str) -> Pattern | None:
    lower = name.lower()
    return next((pattern for start, pattern in PATTERNS if lower.startswith(start)), None)


READER = Reader(
    NAME,
    "INbreast",
    recognises,
    read,
    (
        Published("images", 410, lambda c: len(c.records), "survey, table 1: right"),
        Published(
            "patients",
            115,
            lambda c: len(c.patients),
            "the paper's cases; by the names' hash some women are there twice",
        ),
        Published(
            "images with an XML",
            343,
            lambda c: sum((c.folder / "AllXML" / f"{r.image}.xml").is_file() for r in c.records),
            "commonly said; without an XML there is no finding",
        ),
    ),
    notes=(
        "No pathology: BI-RADS 1 is N, 2 and 3 are B, 4a to 6 are M. Others count 4a as benign.",
        "No outline has a grade of its own: all of an image inherit the image's.",
    ),
)
