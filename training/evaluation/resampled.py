"""Statistics of every bootstrap draw at once, equal to computing them draw by draw.

A draw is a weight for each patient, so that one sort serves all draws: two thousand draws take a
fraction of a second in place of a minute.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation import detection, froc, roc
from training.evaluation.bootstrap import Draws, Interval, percentiles
from training.evaluation.counts import Confusion

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Name = TypeVar("Name", bound=str)


def auc(labels: ArrayLike, scores: ArrayLike, draws: Draws) -> Interval:
    """`roc.auc` with its interval."""
    return percentiles(roc.auc(labels, scores), _aucs(labels, scores, draws))


def auc_difference(labels: ArrayLike, a: ArrayLike, b: ArrayLike, draws: Draws) -> Interval:
    """`roc.auc` of a less that of b on the same cases, paired: both over the same draws."""
    apart = _aucs(labels, a, draws) - _aucs(labels, b, draws)
    return percentiles(roc.auc(labels, a) - roc.auc(labels, b), apart)


def _aucs(labels: ArrayLike, scores: ArrayLike, draws: Draws) -> Array:
    """(draws,): each draw's `roc.auc`."""
    truth: Mask = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    order = np.argsort(values, kind="stable")
    weights = draws.weights[:, order]
    firsts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    positive = np.add.reduceat(weights * truth[order], firsts, axis=1).astype(np.float64)
    negative = np.add.reduceat(weights * ~truth[order], firsts, axis=1).astype(np.float64)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        drawn: Array = (positive * below).sum(axis=1) / pairs
    return drawn


class Marks:
    """Outcomes of images laid out for all draws: which lesions are found at a rate of false marks."""

    def __init__(self, outcomes: Sequence[froc.Outcome], draws: Draws) -> None:
        self._outcomes = outcomes
        self._draws = draws
        of_image = draws.group
        self._found = np.concatenate([o.found for o in outcomes])
        self._found_in = np.repeat(of_image, [len(o.found) for o in outcomes])
        false = np.concatenate([o.false for o in outcomes])
        order = np.argsort(-false, kind="stable")
        self._false = false[order]
        self._false_in = np.repeat(of_image, [len(o.false) for o in outcomes])[order]
        images = np.bincount(of_image, minlength=draws.counts.shape[1])
        self._images = draws.counts @ images
        # (draws, false marks): how many of a draw score at least as high as each.
        self._passed = draws.counts[:, self._false_in].cumsum(axis=1, dtype=np.int32)

    def thresholds(self, rate: float) -> Array:
        """(draws,): each draw's `froc.threshold_at`."""
        allowed = np.floor(rate * self._images + 1e-9).astype(np.int32)
        lowest = -np.finfo(np.float64).max
        limits = np.append(np.nextafter(self._false, np.inf), lowest)
        place = [
            row.searchsorted(most, "right") for row, most in zip(self._passed, allowed, strict=True)
        ]
        return limits[place]

    def sensitivities(self, rate: float, of: Mask | None = None) -> tuple[float, Array]:
        """Sensitivity at a rate over all images, and (draws,): over each draw's.

        `of` (lesions,) says which lesions are asked for; the rate is always over all images.
        """
        chosen = np.ones(len(self._found), bool) if of is None else of
        weights = self._draws.counts[:, self._found_in[chosen]]
        hit = self._found[chosen] >= self.thresholds(rate)[:, None]
        with np.errstate(invalid="ignore"):
            drawn = (weights * hit).sum(axis=1) / weights.sum(axis=1)
        whole = self._found[chosen] >= froc.threshold_at(self._outcomes, rate)
        return float(whole.mean()) if len(whole) else float("nan"), drawn

    def sensitivity(self, rate: float, of: Mask | None = None) -> Interval:
        """Sensitivity at a rate of false marks, with its interval."""
        return percentiles(*self.sensitivities(rate, of))

    def cpm(self) -> Interval:
        """`froc.cpm` with its interval."""
        each = [self.sensitivities(rate)[1] for rate in froc.CPM_RATES]
        return percentiles(froc.cpm(self._outcomes), np.mean(each, axis=0))


def average_precision(images: Sequence[froc.Image], iou: float, draws: Draws) -> Interval:
    """`detection.average_precision` with its interval."""
    return percentiles(detection.average_precision(images, iou), _areas(images, iou, draws))


def mean_average_precision(
    by_class: Mapping[Name, Sequence[froc.Image]],
    draws: Draws,
    ious: Sequence[float] = detection.IOUS,
) -> Interval:
    """`detection.mean_average_precision` with its interval.

    Every class holds the same images, those of the draws. In a draw as in the whole set only the
    classes that have lesions count.
    """
    whole = detection.mean_average_precision(by_class, ious)
    present = [one for one in by_class.values() if any(len(image.lesions) for image in one)]
    if not present:
        return percentiles(whole, np.full(len(draws.counts), np.nan))
    each_class = [np.mean([_areas(one, iou, draws) for iou in ious], axis=0) for one in present]
    areas = np.stack(each_class)
    counted = (~np.isnan(areas)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return percentiles(whole, np.nansum(areas, axis=0) / counted)


def _areas(images: Sequence[froc.Image], iou: float, draws: Draws) -> Array:
    """(draws,): each draw's `detection.average_precision`.

    Marks take lesions once, for all draws. Precision is read at the hits alone: between two of
    them it only falls.
    """
    scores, hits, place = detection.taken(images, iou)
    order = np.argsort(-scores, kind="stable")
    patient = draws.group[place[order]]
    at = np.flatnonzero(hits[order])
    patients = draws.counts.shape[1]
    # (patients, hits): how many of a patient's marks stand down to each hit.
    above = np.zeros((patients, len(at)))
    for number in range(patients):
        above[number] = np.searchsorted(np.flatnonzero(patient == number), at, "right")
    called = draws.counts @ above
    true = draws.counts[:, patient[at]].cumsum(axis=1)
    lesions = draws.weights @ np.array([len(image.lesions) for image in images])
    rows = zip(true, called, lesions.tolist(), strict=True)
    return np.array([detection.area(*row) for row in rows], np.float64)


def each(
    labels: ArrayLike,
    scores: ArrayLike,
    draws: Draws,
    statistic: Callable[[Mask, Array], float],
) -> Interval:
    """Any statistic of labels and scores with its interval, computed draw by draw."""
    truth: Mask = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    numbers = np.arange(len(values))
    drawn = []
    for row in draws.weights:
        chosen = np.repeat(numbers, row)
        drawn.append(statistic(truth[chosen], values[chosen]))
    return percentiles(statistic(truth, values), np.array(drawn, np.float64))


def confusions(labels: ArrayLike, called: ArrayLike, draws: Draws) -> list[Confusion]:
    """Each draw's counts."""
    truth: Mask = np.asarray(labels, bool)
    said: Mask = np.asarray(called, bool)
    cells = np.stack([truth & said, ~truth & said, truth & ~said, ~truth & ~said], axis=1)
    return [Confusion(*row) for row in (draws.weights @ cells).tolist()]
