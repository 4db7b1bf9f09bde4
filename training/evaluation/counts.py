"""Decisions against the truth, counted: the confusion matrix and what is read off it.

A ratio whose denominator is zero is NaN, never a silent 0 or 1; only Matthews' correlation is 0
there, as in scikit-learn. What is counted (lesions, images, breasts, patients) is the caller's.
"""

from collections.abc import Sequence
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]


class Confusion(NamedTuple):
    """Two classes: called positive or not, positive or not."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return _ratio(self.tp + self.tn, sum(self))

    @property
    def precision(self) -> float:
        """Share of those called positive that are (positive predictive value)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the positives called so (sensitivity)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of the negatives called so."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; over pixels it is Dice's coefficient."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Jaccard's index: F1 / (2 - F1)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float:
        """Correlation of decision and truth (Matthews 1975); 0 where a margin is empty."""
        return multiclass_mcc(np.array([[self.tn, self.fp], [self.fn, self.tp]], np.int64))


def confusion(labels: ArrayLike, called: ArrayLike) -> Confusion:
    """Counts over two boolean arrays of one shape; raises ValueError if shapes differ."""
    truth, said = _bools(labels), _bools(called)
    if truth.shape != said.shape:
        raise ValueError(f"{truth.shape} labels but {said.shape} decisions: give one of each.")
    return Confusion(
        int((truth & said).sum()),
        int((~truth & said).sum()),
        int((truth & ~said).sum()),
        int((~truth & ~said).sum()),
    )


def confusion_matrix(
    labels: Sequence[str], called: Sequence[str], classes: Sequence[str]
) -> Counts:
    """Counts (k, k), a row for each true class, a column for each called one.

    Raises ValueError for a class that is not in `classes`.
    """
    place = {name: index for index, name in enumerate(classes)}
    strange = sorted({*labels, *called} - set(classes))
    if strange:
        raise ValueError(f"{strange[0]!r} is none of the classes {', '.join(classes)}.")
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    for truth, said in zip(labels, called, strict=True):
        matrix[place[truth], place[said]] += 1
    return matrix


def multiclass_mcc(matrix: Counts) -> float:
    """R_K of a confusion matrix (k, k) (Gorodkin 2004); 0 where a factor is zero, NaN if empty."""
    total = int(matrix.sum())
    if not total:
        return nan
    true, said = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    above = int(np.trace(matrix)) * total - sum(t * s for t, s in zip(true, said, strict=True))
    # Python's integers: the product of four margins outgrows 64 bits at ten thousands of pixels.
    below = (total**2 - sum(s * s for s in said)) * (total**2 - sum(t * t for t in true))
    return above / sqrt(below) if below else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else nan


def _bools(values: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(values, bool)
