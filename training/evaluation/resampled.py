"""Statistics of every bootstrap draw at once, equal to computing them draw by draw.

A draw is a weight for each patient, so that one sort serves all draws: two thousand draws take a
fraction of a second in place of a minute.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation import detection, froc, roc
from training.evaluation.bootstrap import Draws, Interval, percentiles
from training.evaluation.counts import Confusion

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def auc(labels: ArrayLike, scores: ArrayLike, draws: Draws) -> Interval:
    """`roc.auc` with its interval."""
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
        drawn = (positive * below).sum(axis=1) / pairs
    return percentiles(roc.auc(truth, values), drawn)


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
    """`detection.average_precision` with its interval: marks take lesions once, for all draws."""
    lesions = np.array([len(image.lesions) for image in images])
    scores, hits, place = detection.taken(images, iou)
    order = np.argsort(-scores, kind="stable")
    hits, place = hits[order], place[order]
    weights = draws.weights
    totals = weights @ lesions
    drawn = [
        detection.area(np.cumsum(row[place] * hits), np.cumsum(row[place]), total)
        for row, total in zip(weights, totals.tolist(), strict=True)
    ]
    return percentiles(detection.average_precision(images, iou), np.array(drawn, np.float64))


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
