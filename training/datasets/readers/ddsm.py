"""DDSM (Heath et al., Proc. 5th International Workshop on Digital Mammography, 2001).

A folder a case: one .ics, four films as lossless JPEG of an old codec, one .OVERLAY for each film
on which something was marked. Files may be gzipped. Outlines are generous, for finding, not for
measuring. The outer outline of an abnormality counts; further ones are cores inside it.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.readers import ddsm_film
from training.datasets.readers.ddsm_case import Case, parse_case, read_text
from training.datasets.readers.ddsm_film import Film, Stored
from training.datasets.readers.ddsm_pixels import (
    BITS,
    CALIBRATED,
    ENCODED,
    GZIPPED,
    RAW,
    encoded_size,
)
from training.datasets.readers.files import unlisted
from training.datasets.record import Record

NAME = "ddsm"
STORED = (RAW, ENCODED, GZIPPED)  # decoded, as handed out, as some mirrors keep it


def recognises(folder: Path) -> bool:
    """Whether there is a case, however deep."""
    return next(_cases(folder), None) is not None


def _cases(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name.endswith((".ics", ".ics.gz")))


def read(folder: Path) -> Collection:
    """Every film that an .ics names, case by case."""
    records: list[Record] = []
    problems: list[Problem] = []
    named: list[Path] = []
    paths = sorted(_cases(folder))
    if not paths:
        raise DatasetError(f"{folder} holds no case of DDSM: no .ics file.")
    for path in paths:
        case, broken = read_case(folder, path)
        problems += broken
        if case is None:
            continue
        for film in ddsm_film.films(case):
            stored = _stored(path.parent, case, film)
            record, wrong = ddsm_film.record(path.parent, case, film, NAME, stored)
            records.append(record)
            problems += wrong
            named += [path.parent / f"{film.image}{suffix}" for suffix in STORED]
    problems += unlisted(folder, named, {".ljpeg", ".1"})
    return Collection(NAME, folder, tuple(records), tuple(problems))


def read_case(folder: Path, path: Path) -> tuple[Case | None, list[Problem]]:
    """An .ics below `folder`, and what is wrong with it; None where it is none."""
    where = path.relative_to(folder).as_posix()
    try:
        case = parse_case(read_text(path))
    except (OSError, EOFError, ValueError, zlib.error):
        return None, [Problem(Oddity.ROW_BROKEN, where, "no .ics of DDSM")]
    if not case.broken and len(case.films) == 4:
        return case, []
    detail = f"{len(case.films)} films, {case.broken} lines that are none"
    return case, [Problem(Oddity.COUNT_DIFFERS, where, detail)]


def _stored(folder: Path, case: Case, film: Film) -> Stored:
    file = next((p for s in STORED if (p := folder / f"{film.image}{s}").is_file()), None)
    oddities = _by_header(file, film.size)
    if ddsm_film.device(case) not in CALIBRATED:
        oddities.append(Oddity.DEVICE_UNKNOWN)
    elif film.bits != BITS[ddsm_film.digitiser(case)]:
        oddities.append(Oddity.BITS_UNEXPECTED)
    return Stored(file, film.size, tuple(oddities))


def _by_header(file: Path | None, size: tuple[int, int]) -> list[Oddity]:
    """What is odd about a film's file by its header; `size` is that of the .ics."""
    if file is None:
        return [Oddity.FILE_MISSING]
    if file.name.endswith(RAW):
        return [Oddity.SIZE_DIFFERS] * (file.stat().st_size != 2 * size[0] * size[1])
    there = encoded_size(file)
    if there is None:
        return [Oddity.FILE_NOT_DECODED]
    if there == size[::-1] and size[0] != size[1]:
        return [Oddity.SIZE_SWAPPED]
    return [Oddity.SIZE_DIFFERS] * (there != size)


READER = Reader(
    NAME,
    "DDSM",
    recognises,
    read,
    (
        Published(
            "cases",
            2620,
            lambda c: len(c.patients),
            "DDSM's README and the survey; one mirror held 2602",
        ),
        Published(
            "films", 10480, lambda c: len(c.records), "survey, table 1: four times the cases"
        ),
    ),
    notes=(
        "The digitiser goes with the label: no benign case was read by DBA. Keep it in the strata.",
        "CBIS-DDSM and mini-DDSM are the same films: never train on one and test on the other.",
    ),
)
