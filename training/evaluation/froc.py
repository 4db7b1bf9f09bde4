"""Free-response ROC: how many lesions are found at how many false marks an image.

Hit rule `centre`: a mark hits a lesion when the mark's centre lies in the lesion's box. A
second mark on a lesion that is already hit is neither a hit nor a false mark. Of overlapping
lesions a mark hits the one whose middle is nearest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def outcome(image: Image) -> Outcome:
    """Which lesions the marks hit, by the centre rule."""
    found = np.full(len(image.lesions), -np.inf)
    false = []
    for box, score in zip(image.marks, image.scores, strict=True):
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        x0, y0, x1, y1 = image.lesions.reshape(-1, 4).T
        inside = np.flatnonzero((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1))
        if not len(inside):
            false.append(score)
            continue
        away = np.hypot((x0 + x1)[inside] / 2 - x, (y0 + y1)[inside] / 2 - y)
        nearest = inside[np.argmin(away)]
        found[nearest] = max(found[nearest], score)
    return Outcome(found, np.asarray(false, np.float64))


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
