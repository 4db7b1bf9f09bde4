"""mini-DDSM: DDSM's films reduced, as PNG of 16 bits or JPEG of 8 (Lekamlage et al., 2020).

`MINI-DDSM-Complete-{PNG-16,JPEG-8}/{Normal,Benign,Cancer}/NNNN/` is a case: its .ics and .OVERLAY
as in DDSM, whose chain codes walk on the film as it was digitised and are scaled here to the file;
films as `A_1895_1.LEFT_CC.png`; `..._Mask.png`, `..._Mask2.png` are no films. The class is the
case's: the healthy breast of a woman with cancer stands under Cancer, and is N here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.readers import ddsm_film
from training.datasets.readers.ddsm import read_case
from training.datasets.readers.ddsm_film import Film, Stored
from training.datasets.readers.files import look, unlisted
from training.datasets.record import Label, Record, worst

NAME = "mini-ddsm"
CLASSES = {"Normal": Label.NORMAL, "Benign": Label.BENIGN, "Cancer": Label.MALIGNANT}
SUFFIXES = (".png", ".jpg")
MASK = re.compile(r"(?P<film>.+)_Mask\d*")
SQUEEZED = 0.02  # by which the scales of rows and columns may differ: sizes are rounded


def recognises(folder: Path) -> bool:
    """Whether one of the layouts lies here or in a folder below."""
    return bool(_layouts(folder))


def _layouts(folder: Path) -> list[Path]:
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in (folder, *below) if next(_cases(path), None) is not None]


def _cases(layout: Path) -> Iterator[Path]:
    return (path for name in CLASSES for path in sorted(layout.glob(f"{name}/*/*.ics")))


def read(folder: Path) -> Collection:
    """Every film that an .ics names, case by case."""
    layouts = _layouts(folder)
    if len(layouts) != 1:
        here = ", ".join(path.name for path in layouts) or "no case"
        raise DatasetError(
            f"{folder} holds {here}: name the folder of one layout of mini-DDSM, whose films are "
            "the same in all."
        )
    records: list[Record] = []
    problems: list[Problem] = []
    for path in _cases(layouts[0]):
        case, broken = read_case(folder, path)
        problems += broken
        if case is None:
            continue
        found = []
        for film in ddsm_film.films(case):
            stored = _stored(path.parent, film)
            record, wrong = ddsm_film.record(path.parent, case, film, NAME, stored)
            found.append(record)
            problems += wrong
        problems += _class_differs(path.parent.relative_to(folder), found)
        records += found
    files = {record.file for record in records if record.file}
    problems += [one for one in unlisted(folder, files) if not _is_mask(folder / one.where, files)]
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _stored(folder: Path, film: Film) -> Stored:
    """The film's file, and the size that its outlines are scaled to."""
    oddities: list[Oddity] = []
    there = [path for s in SUFFIXES if (path := folder / f"{film.image}{s}").is_file()]
    file, size = look(there[0] if there else folder / film.image, None, oddities)
    if size is None:
        return Stored(file, film.size, tuple(oddities))
    down, across = size[0] / film.size[0], size[1] / film.size[1]
    if abs(down / across - 1) > SQUEEZED:
        oddities.append(Oddity.ASPECT_LOST)
    marked = (folder / f"{film.image}.OVERLAY").is_file()
    if marked and not any(folder.glob(f"{film.image}_Mask*")):
        oddities.append(Oddity.MASK_MISSING)
    return Stored(file, size, tuple(oddities))


def _is_mask(path: Path, films: set[Path]) -> bool:
    """Whether a picture is the mask of a film that is here."""
    match = MASK.fullmatch(path.stem)
    return match is not None and path.with_name(match["film"] + path.suffix) in films


def _class_differs(where: Path, films: list[Record]) -> list[Problem]:
    """A case whose films are all labelled, the worst of them other than its folder says."""
    labels = [film.label for film in films if film.label]
    found = worst(labels)
    if not labels or len(labels) < len(films) or found is CLASSES[where.parent.name]:
        return []
    return [Problem(Oddity.CLASS_DIFFERS, where.as_posix(), f"worst of its films: {found}")]


def _of_normal_cases(collection: Collection) -> int:
    files = (record.file for record in collection.records)
    return sum(file is not None and file.parents[1].name == "Normal" for file in files)


SOURCE = "counted in one copy by a user of it"

READER = Reader(
    NAME,
    "mini-DDSM",
    recognises,
    read,
    (
        Published("patients", 1952, lambda c: len(c.patients), SOURCE),
        Published("films", 7808, lambda c: len(c.records), SOURCE),
        Published("films of normal cases", 2408, _of_normal_cases, SOURCE),
    ),
    notes=(
        "The same films as DDSM and CBIS-DDSM: never train on one and test on another.",
        "Grey levels are the reduced files' own: no optical density by digitiser.",
    ),
)
