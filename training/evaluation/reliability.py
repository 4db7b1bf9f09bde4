"""Are probabilities what they say: of those called 0.3, do three in ten come true."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Bin(NamedTuple):
    """Cases whose probability lies in one tenth of the scale."""

    cases: int
    said: float  # mean probability
    came: float  # share of positives


def bins(labels: ArrayLike, probabilities: ArrayLike, count: int = 10) -> list[Bin]:
    """Equal-width bins from 0 to 1 that hold a case; an edge belongs to the bin above it."""
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    place = np.minimum((p * count).astype(int), count - 1)
    return [
        Bin(int((place == i).sum()), float(p[place == i].mean()), float(y[place == i].mean()))
        for i in range(count)
        if (place == i).any()
    ]


def error(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected calibration error: mean distance of said and came, weighted by cases."""
    found = bins(labels, probabilities)
    total = sum(b.cases for b in found)
    return sum(b.cases * abs(b.said - b.came) for b in found) / total


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference of probability and outcome (Brier 1950)."""
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    return float(np.mean((p - y) ** 2))
