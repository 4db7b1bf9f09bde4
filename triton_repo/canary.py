"""The picture by which a server proves that it is the right one, alive and right.

It is not constant and not symmetric: a server that swaps axes, repeats the first pixel or
answers with zeros (all seen) cannot pass.
"""

import numpy as np
from numpy.typing import NDArray

from mammo.findings import RawView
from triton_repo.contract import Sizes
from triton_repo.release import Canary

_SEED = 20_261_124


def image(sizes: Sizes) -> NDArray[np.uint8]:
    """A breast-like shape with bright spots, (1, height, width), the same on every machine."""
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[0 : sizes.height, 0 : sizes.width]
    x, y = x / sizes.width, y / sizes.height
    inside = (x / 0.8) ** 2 + ((y - 0.45) / 0.42) ** 2 < 1
    picture = 70 + 40 * np.sin(9 * x + 3 * y) * np.cos(7 * y) - 30 * x
    for _ in range(6):
        cx, cy, radius = rng.uniform(0.1, 0.5), rng.uniform(0.25, 0.65), rng.uniform(0.01, 0.04)
        picture += 110 * np.exp(-((x - cx) ** 2 + ((y - cy) * 1.6) ** 2) / (2 * radius**2))
    picture += rng.integers(-6, 7, picture.shape)
    return np.where(inside, picture.clip(10, 255), 0).astype(np.uint8)[None]


def problem(canary: Canary, answer: RawView) -> str | None:
    """What is wrong with an answer to the canary, in words, or None."""
    count = answer.count
    if count != canary.count:
        return f"the canary gave {count} boxes where {canary.count} are right"
    far = np.abs(answer.boxes[:count] - np.array(canary.boxes).reshape(-1, 4)).max(initial=0)
    if not far <= canary.box_tolerance:  # so that a NaN is wrong
        return f"a box of the canary is {far:.2f} pixels off"
    for name, got, right in (
        ("detection", answer.detection, canary.detection),
        ("lesion", answer.lesion, canary.lesion),
        ("malignancy", answer.malignancy, canary.malignancy),
    ):
        off = np.abs(got[:count] - np.array(right)).max(initial=0)
        if not off <= canary.score_tolerance:
            return f"the canary's {name} scores are off by {off:.4f}"
    if (answer.suspicion is None) != (canary.suspicion is None):
        return "the canary is judged as a whole by one side alone"
    off = abs((answer.suspicion or 0.0) - (canary.suspicion or 0.0))
    if not off <= canary.score_tolerance:
        return f"the canary's suspicion is off by {off:.4f}"
    return None
