"""Average precision of boxes, by the rules of COCO.

Marks are taken from the best score down; each takes the free lesion that it overlaps most, if by
`iou` at least, and is false otherwise: unlike in FROC, a second mark on a lesion is a false one.
Precision is made monotonic and read at 101 recalls (Lin et al. 2014; pycocotools).
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation.froc import Image
from training.evaluation.overlap import box_iou

Array = NDArray[np.float64]
Name = TypeVar("Name", bound=str)
IOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # marks of an image that count, the best


def average_precision(images: Sequence[Image], iou: float) -> float:
    """AP at one overlap; NaN without lesions, 0 without marks."""
    scores, hits, _ = taken(images, iou)
    hits = hits[np.argsort(-scores, kind="stable")]
    lesions = sum(len(image.lesions) for image in images)
    return area(np.cumsum(hits), np.arange(1, len(hits) + 1), lesions)


def taken(images: Sequence[Image], iou: float) -> tuple[Array, NDArray[np.bool_], NDArray[np.intp]]:
    """Of all marks, (n,) each: score, whether it took a lesion, and its image's number."""
    found = [_taken(image, iou) for image in images]
    place = np.repeat(np.arange(len(found)), [len(scores) for scores, _ in found])
    return (
        np.concatenate([scores for scores, _ in found]),
        np.concatenate([hits for _, hits in found]),
        place,
    )


def area(true: ArrayLike, called: ArrayLike, lesions: int) -> float:
    """AP from hits and marks, (n,) each, summed from the best score down; NaN without lesions.

    The sums may stand at the hits alone: precision is nowhere higher than at one of them.
    """
    if not lesions:
        return float("nan")
    hits = np.asarray(true, np.float64)
    precision = np.maximum.accumulate((hits / np.maximum(called, 1))[::-1])[::-1]
    place = np.searchsorted(hits / lesions, RECALLS, side="left")
    return float(np.append(precision, 0.0)[place].mean())


def mean_average_precision(
    by_class: Mapping[Name, Sequence[Image]], ious: Sequence[float] = IOUS
) -> float:
    """AP averaged over overlaps, then over the classes that have lesions; NaN if none has."""
    each = [
        float(np.mean([average_precision(images, iou) for iou in ious]))
        for images in by_class.values()
        if any(len(image.lesions) for image in images)
    ]
    return float(np.mean(each)) if each else float("nan")


def _taken(image: Image, iou: float) -> tuple[Array, NDArray[np.bool_]]:
    """Scores of an image's marks, the best first, and whether each took a lesion."""
    order = np.argsort(-image.scores, kind="stable")[:MOST]
    overlap = box_iou(image.marks[order], image.lesions)
    free = np.ones(len(image.lesions), bool)
    hits = np.zeros(len(order), bool)
    for number, row in enumerate(overlap):
        open_ = np.flatnonzero(free & (row >= min(iou, 1 - 1e-10)))
        if len(open_):
            best = open_[row[open_] == row[open_].max()][-1]  # of equals the last, as COCO has it
            free[best] = False
            hits[number] = True
    return image.scores[order], hits
