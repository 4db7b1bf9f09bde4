"""ROC: can a score tell two classes apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ROUNDING = 1e-12  # a share that is met but for floating point is met


class Curve(NamedTuple):
    """Shares of negatives and positives called at each threshold, from none to all."""

    fpr: Array  # (k,)
    tpr: Array  # (k,)
    thresholds: Array  # (k,): scores >= it are called; the first is infinite


class PartialAuc(NamedTuple):
    """The area under the steep beginning of a ROC curve."""

    raw: float  # between 0 and the largest false positive rate
    standardised: float  # 0.5 for chance, 1 for perfect (McClish 1989)


class OperatingPoint(NamedTuple):
    """A threshold, and what it does."""

    sensitivity: float
    specificity: float
    threshold: float  # scores >= it are called


NOWHERE = OperatingPoint(np.nan, np.nan, np.nan)


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties half (Mann and Whitney 1947).

    NaN when a class is missing.
    """
    truth: NDArray[np.bool_] = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]  # the middle rank among equals
    above = rank[truth].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """A point for each distinct score, equal scores called together.

    A missing class leaves its rate NaN.
    """
    true, false, thresholds = called(labels, scores)
    with np.errstate(invalid="ignore"):
        fpr, tpr = false / false[-1], true / true[-1]
    return Curve(fpr, tpr, thresholds)


def called(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array, Array]:
    """Positives called, negatives called, and the threshold, (k,) each, from none to all."""
    truth: NDArray[np.bool_] = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    truth, values = truth[order], values[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], len(values) > 0))
    true = np.concatenate([[0.0], np.cumsum(truth)[last]])
    false = np.concatenate([[0.0], np.cumsum(~truth)[last]])
    return true, false, np.concatenate([[np.inf], values[last]])


def partial_auc(labels: ArrayLike, scores: ArrayLike, max_fpr: float) -> PartialAuc:
    """Area up to a false positive rate of `max_fpr` (0 to 1); NaN when a class is missing."""
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr}: give a share above 0, at most 1.")
    fpr, tpr, _ = curve(labels, scores)
    if np.isnan(fpr).any() or np.isnan(tpr).any():
        return PartialAuc(np.nan, np.nan)
    within = fpr <= max_fpr
    edge = np.interp(max_fpr, fpr, tpr)
    x, y = np.append(fpr[within], max_fpr), np.append(tpr[within], edge)
    raw = float(np.trapezoid(y, x))
    least = max_fpr**2 / 2
    return PartialAuc(raw, 0.5 * (1 + (raw - least) / (max_fpr - least)))


def sensitivity_at_specificity(
    labels: ArrayLike, scores: ArrayLike, specificity: float
) -> OperatingPoint:
    """The most sensitive threshold of at least that specificity; nothing is interpolated.

    NaN when a class is missing.
    """
    found = curve(labels, scores)
    if np.isnan(found.fpr).any() or np.isnan(found.tpr).any():
        return NOWHERE
    best = int(np.flatnonzero(found.fpr <= 1 - specificity + ROUNDING)[-1])
    # Of thresholds that are equally sensitive, the one that calls fewer negatives.
    best = int(np.flatnonzero(found.tpr == found.tpr[best])[0])
    return OperatingPoint(
        float(found.tpr[best]), float(1 - found.fpr[best]), float(found.thresholds[best])
    )


def threshold_at_recall_rate(scores: ArrayLike, rate: float) -> float:
    """The threshold that recalls a share `rate` of validation cases (0.05: five in a hundred).

    The (1 - rate) quantile, always a score that occurs; cases of equal score are recalled
    together, so that ties may recall more. Raises ValueError without scores.
    """
    values = np.asarray(scores, np.float64)
    if not values.size:
        raise ValueError("No scores: a recall rate needs cases to choose its threshold on.")
    if not 0 < rate <= 1:
        raise ValueError(f"The recall rate is {rate}: give a share above 0, at most 1.")
    return float(np.quantile(values, 1 - rate, method="higher"))


def recall_rate(scores: ArrayLike, threshold: float) -> float:
    """Share of cases at or above the threshold; NaN without cases."""
    values = np.asarray(scores, np.float64)
    return float((values >= threshold).mean()) if values.size else float("nan")
