"""Free-response ROC: how many lesions are found at how many false marks an image.

Hit rule `centre`: a mark hits a lesion when the mark's centre lies in the lesion's box; the other
rule asks for an overlap (IoU). A second mark on a lesion that is already hit is neither a hit nor
a false mark. Of several lesions a mark hits the one whose middle is nearest, or which it overlaps
most. Images without a mark count too: leave none out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.overlap import box_iou

Array = NDArray[np.float64]
CPM_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false marks an image, as in LUNA16


@dataclass(frozen=True, slots=True)
class Image:
    """What was marked on one image, and what was there."""

    group: str  # the patient: what a bootstrap draws
    marks: Array  # (n, 4): x0, y0, x1, y1
    scores: Array  # (n,)
    lesions: Array  # (m, 4), in the marks' coordinates


@dataclass(frozen=True, slots=True)
class Outcome:
    """One image, reduced to what the curve needs."""

    found: Array  # (m,) for each lesion the best score of a mark that hits it, -inf if none
    false: Array  # (k,) scores of the marks that hit nothing


class Curve(NamedTuple):
    """A point for each distinct score, the highest first, after one where nothing is marked."""

    rate: Array  # (k,) false marks an image
    sensitivity: Array  # (k,), NaN without lesions
    thresholds: Array  # (k,): marks >= it count; the first is infinite


def outcome(image: Image, iou: float | None = None) -> Outcome:
    """Which lesions the marks hit: by the centre rule, or by an overlap of at least `iou`."""
    hits = hit_lesions(image.marks, image.lesions, iou)
    found = np.full(len(image.lesions), -np.inf)
    for lesion, score in zip(hits, image.scores, strict=True):
        if lesion >= 0:
            found[lesion] = max(found[lesion], score)
    return Outcome(found, np.asarray(image.scores, np.float64)[hits < 0])


def hit_lesions(marks: Array, lesions: Array, iou: float | None = None) -> NDArray[np.int64]:
    """For each mark (n, 4) the number of the lesion (m, 4) that it hits, -1 for none."""
    marks, lesions = marks.reshape(-1, 4), lesions.reshape(-1, 4)
    if not len(lesions):
        return np.full(len(marks), -1, np.int64)
    if iou is not None:
        overlap = box_iou(marks, lesions)
        return np.where(overlap.max(axis=1) >= iou, overlap.argmax(axis=1), -1)
    x, y = (marks[:, None, :2] + marks[:, None, 2:]).transpose(2, 0, 1) / 2
    x0, y0, x1, y1 = lesions.T
    inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    away = np.where(inside, np.hypot((x0 + x1) / 2 - x, (y0 + y1) / 2 - y), np.inf)
    return np.where(inside.any(axis=1), away.argmin(axis=1), -1)


def threshold_at(outcomes: Sequence[Outcome], rate: float) -> float:
    """The lowest score at which at most `rate` false marks an image remain (marks >= it count)."""
    false = np.sort(np.concatenate([o.false for o in outcomes]))[::-1]
    allowed = int(np.floor(rate * len(outcomes) + 1e-9))
    if allowed >= len(false):
        return -np.finfo(np.float64).max
    return float(np.nextafter(false[allowed], np.inf))


def sensitivity(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Share of lesions hit by a mark of at least `threshold`; NaN without lesions."""
    found = np.concatenate([o.found for o in outcomes])
    return float((found >= threshold).mean()) if len(found) else float("nan")


def sensitivity_at(outcomes: Sequence[Outcome], rate: float) -> float:
    """Sensitivity at `rate` false marks an image."""
    return sensitivity(outcomes, threshold_at(outcomes, rate))


def cpm(outcomes: Sequence[Outcome]) -> float:
    """Competition performance metric: the mean sensitivity at CPM_RATES (van Ginneken 2010)."""
    return float(np.mean([sensitivity_at(outcomes, rate) for rate in CPM_RATES]))


def curve(outcomes: Sequence[Outcome]) -> Curve:
    """The whole curve, down to the lowest score; raises ValueError without images."""
    if not outcomes:
        raise ValueError("No images: a FROC curve needs those without marks too.")
    found = np.sort(np.concatenate([o.found for o in outcomes]))
    false = np.sort(np.concatenate([o.false for o in outcomes]))
    scores = np.unique(np.concatenate([found[np.isfinite(found)], false]))[::-1]
    thresholds = np.concatenate([[np.inf], scores])
    with np.errstate(invalid="ignore"):
        hit = (len(found) - np.searchsorted(found, thresholds)) / np.float64(len(found))
    rate = (len(false) - np.searchsorted(false, thresholds)) / len(outcomes)
    return Curve(rate, hit, thresholds)
