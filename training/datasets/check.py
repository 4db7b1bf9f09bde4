"""What a data set holds, beside what others counted in it, and all that is odd about it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from training.datasets import duplicates, pixels
from training.datasets.collection import Collection, DatasetError, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.record import Record
from training.datasets.splits import Partition, official

EXAMPLES = 5  # images named for each oddity
DARK = 15  # grey levels: darker is background on every film that was looked at
UNREAD = frozenset({Oddity.FILE_UNREADABLE, Oddity.FILE_NOT_DECODED})  # listed already
ON_TISSUE = 0.6  # of a lesion's area must be brighter than that


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number here beside the published one."""

    what: str
    here: int
    published: int
    source: str


@dataclass(frozen=True, slots=True)
class Odd:
    """A code, how often it stands, and where first."""

    code: Oddity
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check says."""

    reader: Reader
    collection: Collection
    counts: dict[str, dict[str, int]]  # by what is counted, then by value
    published: tuple[Comparison, ...]
    odd: tuple[Odd, ...]  # the most frequent first
    problems: tuple[Problem, ...]
    official: Partition | None  # the data set's own split
    decoded: int | None  # files whose pixels were read; None: headers alone

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "data_set": self.reader.name,
            "title": self.reader.title,
            "folder": str(self.collection.folder),
            "notes": list(self.reader.notes),
            "counts": self.counts,
            "published": [asdict(one) for one in self.published],
            "oddities": [
                {**asdict(odd), "meaning": odd.code.meaning, "examples": list(odd.examples)}
                for odd in self.odd
            ],
            "problems": [asdict(problem) for problem in self.problems],
            "dropped_images": list(self.official.dropped) if self.official else [],
            "decoded": self.decoded,
        }


def check(reader: Reader, collection: Collection, looked: "Look | None" = None) -> Report:
    """Count; `looked`: what reading all pixels showed."""
    problems = collection.problems + (looked.problems if looked else ())
    return Report(
        reader=reader,
        collection=collection,
        counts=counts(collection),
        published=tuple(
            Comparison(one.what, one.count(collection), one.number, one.source)
            for one in reader.published
        ),
        odd=_odd(collection.records, problems),
        problems=problems,
        official=official(collection) if _is_split(collection) else None,
        decoded=looked.decoded if looked else None,
    )


def _is_split(collection: Collection) -> bool:
    return bool(collection.records) and all(record.split for record in collection.records)


def counts(collection: Collection) -> dict[str, dict[str, int]]:
    """Images, patients and lesions, by what is known of them."""
    records = collection.records
    annotations = [a for record in records for a in record.annotations]
    found = {
        "all": {
            "images": len(records),
            "files": sum(record.file is not None for record in records),
            "patients": len(collection.patients),
            "breasts": len({record.breast for record in records}),
            "lesions": len(annotations),
            "lesions with a place": sum(a.outline is not None for a in annotations),
        },
        "label": _by(record.label for record in records),
        "label by": _by(record.label_rule for record in records),
        "modality": _by(record.modality for record in records),
        "device": _by(record.device for record in records),
        "side": _by(record.laterality for record in records),
        "view": _by(record.view for record in records),
        "density": _by(
            record.density and f"{record.density.value} ({record.density.scale})"
            for record in records
        ),
        "BI-RADS": _by(record.birads and record.birads.number for record in records),
        "lesions by kind": _by(a.pattern for a in annotations),
        "lesions by label": _by(a.label for a in annotations),
        "official split": _by(record.split for record in records),
    }
    return {name: values for name, values in found.items() if set(values) - {NONE}}


NONE = "none"


def _by(values: Iterable[object]) -> dict[str, int]:
    """How often each value stands, in the order of the values; `none` last."""
    found = Counter(NONE if value is None else str(value) for value in values)
    return {name: found[name] for name in sorted(found, key=lambda name: (name == NONE, name))}


def _odd(records: Iterable[Record], problems: Iterable[Problem]) -> tuple[Odd, ...]:
    where: dict[Oddity, Counter[str]] = {}
    for record in records:
        for code in record.oddities:
            where.setdefault(code, Counter())[record.image] += 1
    for problem in problems:
        where.setdefault(problem.code, Counter())[problem.where] += 1
    found = [Odd(code, at.total(), tuple(list(at)[:EXAMPLES])) for code, at in where.items()]
    return tuple(sorted(found, key=lambda odd: (-odd.count, odd.code)))


@dataclass(frozen=True, slots=True)
class Look:
    """What reading all pixels showed."""

    decoded: int
    problems: tuple[Problem, ...]


def look(collection: Collection, step: Callable[[], None] = lambda: None) -> Look:
    """Read every file: broken ones, equal and nearly equal ones, lesions on the background."""
    problems: list[Problem] = []
    seen: dict[bytes, str] = {}
    prints: dict[str, duplicates.Signs] = {}
    decoded = 0
    for record in collection.records:
        step()
        if record.file is None or UNREAD & set(record.oddities):
            continue
        try:
            gray = pixels.gray(record)
            decoded += 1
            first = seen.setdefault(_digest(gray), record.image)
            if first != record.image:
                problems.append(Problem(Oddity.PIXELS_REPEATED, record.image, f"as {first}"))
            else:
                prints[record.image] = duplicates.fingerprint(gray)
            problems += _off_tissue(record, gray)
        except DatasetError as error:
            problems.append(Problem(Oddity.FILE_UNREADABLE, record.image, str(error)))
    return Look(decoded, (*problems, *_near(prints)))


def _digest(gray: pixels.Gray) -> bytes:
    """Of the pixels and their shape."""
    return hashlib.sha256(repr(gray.shape).encode() + gray.tobytes()).digest()


def _near(prints: dict[str, duplicates.Signs]) -> Iterator[Problem]:
    """Pictures that are not equal, and yet the same."""
    names = list(prints)
    for one in duplicates.near(list(prints.values())):
        turned = ", mirrored" if one.mirrored else ""
        detail = f"as {names[one.like]}{turned}; {one.apart:.1%} apart"
        yield Problem(Oddity.NEARLY_REPEATED, names[one.number], detail)


def _off_tissue(record: Record, gray: pixels.Gray) -> Iterator[Problem]:
    for number, annotation in enumerate(record.annotations):
        if annotation.outline is None:
            continue
        inside = np.zeros(gray.shape, np.uint8)
        for corners in pixels.corners(annotation.outline):
            cv2.fillPoly(inside, [np.rint(corners).astype(np.int32)], 1)
        covered = gray[inside > 0]
        share = float((covered > DARK).mean()) if covered.size else 0.0
        if share < ON_TISSUE:
            yield Problem(
                Oddity.OFF_TISSUE, record.image, f"lesion {number}, {share:.0%} of it on tissue"
            )
