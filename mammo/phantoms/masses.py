"""Masses: solids seen in projection, from round and circumscribed to spiculated.

Each function draws one, float32 (n, n), n even, peak near 1; radius in pixels of the stamp,
spacing in mm a pixel.
"""

import cv2
import numpy as np

from mammo.phantoms.contours import SHIFT, Points, contour, fixed
from mammo.phantoms.texture import Field, as_field


def _body(outline: Points, size: int, blur: float) -> Field:
    """The projection of a solid with this outline: thick inside, falling to nothing at the edge."""
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [fixed(outline + size / 2)], 255, cv2.LINE_8, SHIFT)
    distance = as_field(cv2.distanceTransform(canvas, cv2.DIST_L2, 5))
    rho = 1 - distance / max(float(distance.max()), 1.0)
    solid = np.sqrt(np.clip(1 - rho * rho, 0, 1)) * (canvas > 0)
    return as_field(cv2.GaussianBlur(as_field(solid), (0, 0), blur))


def _mass_size(radius: float, reach: float) -> int:
    return 2 * int(np.ceil(radius * reach)) + 8


def circumscribed_round(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    outline = contour(rng, radius, ((2, 0.02), (3, 0.015)), rng.uniform(1.0, 1.1))
    return _body(outline, _mass_size(radius, 1.35), rng.uniform(0.2, 0.4) / spacing)


def oval(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    outline = contour(rng, radius, ((2, 0.03), (3, 0.025)), rng.uniform(1.3, 1.9))
    return _body(outline, _mass_size(radius, 1.7), rng.uniform(0.2, 0.45) / spacing)


def lobulated(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    waves = ((2, 0.05), (int(rng.integers(3, 5)), rng.uniform(0.09, 0.14)))
    outline = contour(rng, radius, waves, rng.uniform(1.0, 1.5))
    return _body(outline, _mass_size(radius, 1.75), rng.uniform(0.2, 0.45) / spacing)


def _jagged(rng: np.random.Generator, radius: float) -> Points:
    waves = tuple((k, rng.uniform(0.4, 1.0) * 0.24 / np.sqrt(k)) for k in range(2, 13))
    return contour(rng, radius, waves, rng.uniform(1.0, 1.5))


def irregular(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _body(_jagged(rng, radius), _mass_size(radius, 2.2), rng.uniform(0.35, 1.1) / spacing)


def spiculated(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    core = radius * rng.uniform(0.5, 0.7)
    size = _mass_size(radius, 2.4)
    body = _body(_jagged(rng, core), size, rng.uniform(0.3, 0.8) / spacing)
    needles = np.zeros((size, size), np.uint8)
    for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(14, 32))):
        length = radius * rng.uniform(1.0, 2.1)
        steps = np.linspace(0.25 * core, length, 8)
        bend = angle + rng.normal(0, 0.12) * (steps / length) ** 2
        path = np.stack([np.cos(bend), np.sin(bend)], axis=1) * steps[:, None] + size / 2
        grey = int(rng.integers(70, 150))
        for i in range(7):  # tapering: each piece thinner and fainter than the one before
            width = max(1, round((0.75 - 0.07 * i) / spacing))
            piece = fixed(path[i : i + 2])
            cv2.polylines(
                needles,
                [piece],
                isClosed=False,
                color=int(grey * (1 - i / 9)),
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=SHIFT,
            )
    soft = as_field(cv2.GaussianBlur(needles, (0, 0), 0.18 / spacing)) / np.float32(255)
    return as_field(np.maximum(body, soft) + 0.35 * np.minimum(body, soft))
