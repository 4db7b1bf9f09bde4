"""Squares around lesions and false alarms, for training the classifier.

Cut as `networks.classifier.crops` cuts them: twice the size, then 2 x 2 means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.store import Gray, Store
from training.networks.classifier import BENIGN, MALIGNANT, MARGIN, SIDE, SMALLEST
from training.team import ALONE, Place

TURN = 20.0  # degrees either way
SCALE = (0.85, 1.2)
SHIFT = 0.12  # of the box's longer side
GAMMA = (0.75, 1.33)
CONTRAST = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Example:
    """A place and what it is."""

    picture: int  # in its store
    box: tuple[float, float, float, float]
    outcome: int  # index into OUTCOMES


@dataclass(frozen=True, slots=True)
class Pool:
    """Examples of one kind, and how often a patch comes from it."""

    store: Store
    examples: Sequence[Example]
    share: float


def lesions(store: Store, indices: Sequence[int]) -> list[Example]:
    """The lesions of these views that are known to be (or not to be) malignant."""
    return [
        Example(i, lesion.box, MALIGNANT if lesion.malignant else BENIGN)
        for i in indices
        for lesion in store.views[i].lesions
        if lesion.malignant is not None
    ]


def batch(
    pools: Sequence[Pool],
    size: int,
    seed: int,
    step: int,
    place: Place = ALONE,
    margin: float = MARGIN,
) -> tuple[Gray, NDArray[np.float32], NDArray[np.int64]]:
    """Patches (n, SIDE, SIDE), log sizes (n, 2) of their boxes, outcomes (n,) of one step.

    n is `size`, or this process's part of it.
    """
    shares = np.cumsum([pool.share for pool in pools])
    pictures, sizes, outcomes = [], [], []
    for number in range(place.rank, size, place.size):
        rng = np.random.default_rng([seed, step, number])
        pool = pools[int(np.searchsorted(shares, (number + rng.random()) / size * shares[-1]))]
        example = pool.examples[rng.integers(len(pool.examples))]
        patch, measured = cut(pool.store.pictures[example.picture], example.box, rng, margin)
        pictures.append(patch)
        sizes.append(measured)
        outcomes.append(example.outcome)
    return np.stack(pictures), np.stack(sizes), np.array(outcomes, np.int64)


def cut(
    picture: Gray,
    box: tuple[float, float, float, float],
    rng: np.random.Generator,
    margin: float = MARGIN,
) -> tuple[Gray, NDArray[np.float32]]:
    """A patch around a box, moved, turned, mirrored and re-exposed at random, and its log size."""
    x0, y0, x1, y1 = box
    stretch = np.exp(rng.uniform(*np.log(SCALE), size=2))  # the detector's boxes are not exact
    width, height = (x1 - x0) * stretch[0], (y1 - y0) * stretch[1]
    longer = max(width, height)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + rng.uniform(-SHIFT, SHIFT, 2) * longer
    zoom = max(longer * margin, SMALLEST) / (2 * SIDE)
    angle = np.deg2rad(rng.uniform(-TURN, TURN))
    c, s = np.cos(angle) * zoom, np.sin(angle) * zoom
    turn = np.array([[c, -s], [s, c]]) @ np.diag(rng.choice([-1.0, 1.0], 2))
    # From a patch's pixel middle to the picture's, both counted from their outer corners.
    offset = middle - turn @ np.full(2, float(SIDE)) + turn @ np.full(2, 0.5) - 0.5
    matrix = np.column_stack([turn, offset])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(np.ascontiguousarray(picture), matrix, (2 * SIDE, 2 * SIDE), flags=flags)
    patch = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    levels = np.arange(256) / 255.0
    curve = 255.0 * rng.uniform(*CONTRAST) * levels ** np.exp(rng.uniform(*np.log(GAMMA)))
    table = np.clip(np.rint(curve), 0, 255).astype(np.uint8)
    measured = np.log(np.maximum([width, height], 1.0)) - 4.0
    return np.asarray(cv2.LUT(patch, table), np.uint8), measured.astype(np.float32)
