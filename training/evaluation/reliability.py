"""Are probabilities what they say: of those called 0.3, do three in ten come true."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
EPSILON = np.finfo(np.float64).eps  # keeps a certain and wrong probability's loss finite


class Bin(NamedTuple):
    """Cases of neighbouring probabilities."""

    cases: int
    said: float  # mean probability
    came: float  # share of positives


def bins(labels: ArrayLike, probabilities: ArrayLike, count: int = 10) -> list[Bin]:
    """Equal-width bins from 0 to 1 that hold a case; an edge belongs to the bin above it."""
    y, p = _both(labels, probabilities)
    place = np.minimum((p * count).astype(int), count - 1)
    return _bins(y, p, place, count)


def equal_mass_bins(labels: ArrayLike, probabilities: ArrayLike, count: int = 10) -> list[Bin]:
    """Bins that hold as many cases each as can be, by rank; equal probabilities stay together."""
    y, p = _both(labels, probabilities)
    rank = np.searchsorted(np.sort(p), p)
    return _bins(y, p, rank * count // max(len(p), 1), count)


def error(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected calibration error over equal-width bins; NaN without cases."""
    return _distance(bins(labels, probabilities))


def equal_mass_error(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected calibration error over equal-mass bins; NaN without cases."""
    return _distance(equal_mass_bins(labels, probabilities))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference of probability and outcome (Brier 1950); NaN without cases."""
    y, p = _both(labels, probabilities)
    return float(np.mean((p - y) ** 2)) if len(y) else float("nan")


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log likelihood, in nats; NaN without cases."""
    y, p = _both(labels, probabilities)
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))) if len(y) else float("nan")


def _both(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    if np.isnan(p).any() or (p < 0).any() or (p > 1).any():
        raise ValueError("A probability lies outside 0 to 1: calibrate scores first.")
    return y, p


def _bins(y: Array, p: Array, place: NDArray[np.int_], count: int) -> list[Bin]:
    return [
        Bin(int((place == i).sum()), float(p[place == i].mean()), float(y[place == i].mean()))
        for i in range(count)
        if (place == i).any()
    ]


def _distance(found: list[Bin]) -> float:
    """Mean distance of said and came, weighted by cases."""
    total = sum(b.cases for b in found)
    return sum(b.cases * abs(b.said - b.came) for b in found) / total if total else float("nan")
