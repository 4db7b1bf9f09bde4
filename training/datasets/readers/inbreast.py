"""INbreast (Moreira et al., Academic Radiology 19:236-248, 2012): 410 digital images, no pathology.

`AllDICOMs/NUMBER_HASH_MG_SIDE_VIEW_ANON.dcm` (headers are stripped: the name is the source),
`AllXML/NUMBER.xml` (Apple property lists of outlines, for images with findings alone) and
`INbreast.csv` (semicolons, Latin-1). BI-RADS is an image's; every outline inherits it.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import Collection, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.inbreast_outlines import read_outlines
from training.datasets.readers.values import birads, laterality
from training.datasets.record import (
    BiRads,
    Density,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Record,
)

NAME = "inbreast"
FILE = re.compile(r"(\d{6,9})_([0-9A-Za-z]+)_MG_([LR])_(CC|MLO|ML)_ANON\.dcm")
SPACING = 70.0  # micron, Siemens MammoNovation
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
    annotations, broken = read_outlines(
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
