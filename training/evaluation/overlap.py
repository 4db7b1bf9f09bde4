"""How far two shapes cover each other: boxes and masks.

Coordinates are continuous, so a box is x1 - x0 wide, without the 1 that older code adds.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def box_iou(ours: Array, theirs: Array) -> Array:
    """Intersection over union, (n, m), of boxes (n, 4) and (m, 4): x0, y0, x1, y1.

    0 for boxes without area.
    """
    a, b = ours.reshape(-1, 1, 4), theirs.reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1)
    union = union - shared
    result: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def mask_iou(ours: Mask, theirs: Mask) -> float:
    """Jaccard's index of two masks of one shape; 1 if both are empty."""
    union = int((ours | theirs).sum())
    return int((ours & theirs).sum()) / union if union else 1.0


def mask_dice(ours: Mask, theirs: Mask) -> float:
    """Dice's coefficient of two masks of one shape; 1 if both are empty."""
    total = int(ours.sum()) + int(theirs.sum())
    return 2 * int((ours & theirs).sum()) / total if total else 1.0
