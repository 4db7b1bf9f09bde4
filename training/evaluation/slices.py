"""The same figures on parts of a set: by density, view, machine, age, and kind of lesion.

Thresholds are those of the whole set, so that the parts can be compared.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mammo.scoring import Calibration
from training.datasets.record import Lesion
from training.evaluation import bootstrap, measure, resampled
from training.evaluation.aggregate import of_view
from training.evaluation.bootstrap import Interval
from training.evaluation.predictions import Case

_PATHOLOGY = {True: "malignant", False: "benign", None: None}
OF_IMAGES: dict[str, Callable[[Case], str | None]] = {
    "density": lambda case: case.details.density,
    "view": lambda case: case.view.view or None,
    "manufacturer": lambda case: case.details.manufacturer,
    "age": lambda case: _decade(case.details.age),
}
OF_LESIONS: dict[str, Callable[[Lesion], str | None]] = {
    "kind": lambda lesion: str(lesion.kind),
    "pathology": lambda lesion: _PATHOLOGY[lesion.malignant],
    "detectability d'": lambda lesion: _bin(lesion.detectability),
}


class Slice(NamedTuple):
    """One part of a set."""

    by: str
    value: str
    images: int
    patients: int
    lesions: int
    sensitivity: Interval  # of lesions, at `measure.AT` false marks an image over the whole set
    auc: Interval | None  # by image; None where lesions, not images, are parted


def of_set(cases: Sequence[Case], calibration: Calibration | None) -> tuple[list[Slice], list[str]]:
    """The parts of each attribute that has two values or more; the attributes that are unknown."""
    outcomes = [measure.outcome(case) for case in cases]
    marks = measure.marks(cases, outcomes)
    image_of = np.repeat(np.arange(len(cases)), [len(case.view.lesions) for case in cases])
    found: list[Slice] = []
    unknown = []
    for by, read in OF_IMAGES.items():
        values = [read(case) for case in cases]
        if not any(values):
            unknown.append(by)
        for value in _several(values):
            within = np.array([one == value for one in values], bool)
            part = [case for case, inside in zip(cases, within, strict=True) if inside]
            lesions = within[image_of]
            seen = marks.sensitivity(measure.AT, lesions)
            found.append(_slice(by, value, part, int(lesions.sum()), seen, _auc(part, calibration)))
    lesions_of = [(case, lesion) for case in cases for lesion in case.view.lesions]
    for by, of_lesion in OF_LESIONS.items():
        values = [of_lesion(lesion) for _, lesion in lesions_of]
        for value in _several(values):
            within = np.array([one == value for one in values], bool)
            part = [case for (case, _), inside in zip(lesions_of, within, strict=True) if inside]
            seen = marks.sensitivity(measure.AT, within)
            found.append(_slice(by, value, part, int(within.sum()), seen, None))
    return found, unknown


def _slice(
    by: str, value: str, part: Sequence[Case], lesions: int, seen: Interval, auc: Interval | None
) -> Slice:
    images = len({case.view.name for case in part})
    patients = len({case.view.patient for case in part})
    return Slice(by, value, images, patients, lesions, seen, auc)


def _auc(cases: Sequence[Case], calibration: Calibration | None) -> Interval:
    draws = bootstrap.draw([case.view.patient for case in cases], measure.SEED)
    probabilities = [of_view(case, calibration) for case in cases]
    return resampled.auc([case.view.malignant for case in cases], probabilities, draws)


def _several(values: Sequence[str | None]) -> Iterator[str]:
    known = sorted({value for value in values if value}, key=_order)
    yield from known if len(known) > 1 else ()


def _order(value: str) -> tuple[float, str]:
    """By the number that it begins with, else by name."""
    digits = value.split(" ", maxsplit=1)[0]
    return (float(digits) if digits.replace(".", "").isdigit() else -1.0, value)


def _decade(age: int | None) -> str | None:
    return None if age is None else f"{age // 10 * 10} to {age // 10 * 10 + 9}"


def _bin(strength: float | None) -> str | None:
    if strength is None:
        return None
    apart = measure.BINS[:-1]  # the last one covers several
    held = (f"{low:g} to {high:.3g}" for low, high in apart if low <= strength < high)
    return next(held, None)
