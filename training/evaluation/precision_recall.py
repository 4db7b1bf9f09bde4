"""Precision against recall, for classes of which one is rare."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation.roc import called

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """Precision and recall at each distinct score, the highest first."""

    recall: Array  # (k,)
    precision: Array  # (k,)
    thresholds: Array  # (k,): scores >= it are called


def curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """A point for each distinct score, equal scores called together.

    Recall is NaN without positives.
    """
    true, false, thresholds = called(labels, scores)
    with np.errstate(invalid="ignore"):
        recall = true[1:] / true[-1]
    return Curve(recall, true[1:] / (true[1:] + false[1:]), thresholds[1:])


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the steps of precision over recall, as scikit-learn sums it: no trapezoids.

    NaN without positives.
    """
    recall, precision, _ = curve(labels, scores)
    if not len(recall) or np.isnan(recall).any():
        return float("nan")
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def probabilistic_f1(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """F1 with probabilities in place of decisions: the measure of RSNA's 2023 contest.

    Of probabilities that are 0 or 1 it is F1. Clipped to 0 to 1; 0 if no positive has any,
    NaN without positives.
    """
    truth: NDArray[np.bool_] = np.asarray(labels, bool)
    p = np.clip(np.asarray(probabilities, np.float64), 0, 1)
    if not truth.any():
        return float("nan")
    true, called = float(p[truth].sum()), float(p.sum())
    if not true:
        return 0.0
    precision, recall = true / called, true / int(truth.sum())
    return 2 * precision * recall / (precision + recall)
