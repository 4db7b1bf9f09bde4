"""Two scores on the same cases: do their areas under the ROC curve differ (DeLong 1988).

It takes cases as independent. Where a patient has several, the bootstrap over patients
(`training/evaluation/bootstrap.py`) is the figure to quote, and this one stands beside it.
"""

from math import erfc, nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Comparison(NamedTuple):
    """AUC of a and b, and the test of their difference a - b."""

    aucs: tuple[float, float]
    covariance: Array  # (2, 2), of the two areas
    z: float
    p: float  # two-sided


def compare(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> Comparison:
    """DeLong's test (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988).

    z and p are NaN where the difference has no variance (equal rankings); everything is NaN with
    fewer than two positives or two negatives.
    """
    truth: NDArray[np.bool_] = np.asarray(labels, bool)
    if min(int(truth.sum()), int((~truth).sum())) < 2:
        return Comparison((nan, nan), np.full((2, 2), nan), nan, nan)
    parts = [_components(truth, np.asarray(scores, np.float64)) for scores in (a, b)]
    of_positives = np.cov([v10 for v10, _ in parts])
    of_negatives = np.cov([v01 for _, v01 in parts])
    covariance = of_positives / int(truth.sum()) + of_negatives / int((~truth).sum())
    aucs = float(parts[0][0].mean()), float(parts[1][0].mean())
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:  # what rounding leaves of nothing
        return Comparison(aucs, covariance, nan, nan)
    z = (aucs[0] - aucs[1]) / sqrt(variance)
    return Comparison(aucs, covariance, z, erfc(abs(z) / sqrt(2)))


def _components(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """For each positive the share of negatives below it, for each negative that of positives above.

    Ties count half.
    """
    positives, negatives = scores[truth], scores[~truth]
    return _share_below(positives, negatives), 1 - _share_below(negatives, positives)


def _share_below(values: Array, others: Array) -> Array:
    ranked = np.sort(others)
    below = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return below / (2 * len(others))
