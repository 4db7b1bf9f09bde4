"""Closed curves and OpenCV's fixed point, for drawing lesions."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2): x, y
SHIFT = 4  # OpenCV's fixed point: sixteenths of a pixel


def fixed(points: Points) -> NDArray[np.int32]:
    """Points (pixels) as what OpenCV draws with `shift=SHIFT`."""
    return np.asarray(np.round(points * 2**SHIFT), np.int32)


def contour(
    rng: np.random.Generator, radius: float, waves: tuple[tuple[int, float], ...], aspect: float
) -> Points:
    """A closed curve around (0, 0): a turned ellipse with waves of (order, relative height)."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    r = np.ones_like(angle)
    for order, height in waves:
        r += height * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    points = (
        radius
        * r[:, None]
        * np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], axis=1)
    )
    turn = rng.uniform(0, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    return np.asarray(points @ np.array([[c, s], [-s, c]]), np.float64)
