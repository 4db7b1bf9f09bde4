"""Clusters of calcifications, after morphology and distribution.

Each function draws one, float32 (n, n), n even, peak near 1; radius of the cluster in mm,
spacing in mm a pixel of the stamp.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.contours import SHIFT, Points, contour, fixed
from mammo.phantoms.texture import Field, as_field

SPECK = 0.4  # mm, a calcification that a reader notices
_SUPER = 4  # calcifications are drawn at four times the grid and averaged


def _finish(canvas: NDArray[np.uint8]) -> Field:
    """A super-sampled canvas as a stamp, with the detector's blur."""
    side = canvas.shape[0] // _SUPER
    small = as_field(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA))
    return as_field(cv2.GaussianBlur(small, (0, 0), 0.6)) / np.float32(255)


def _canvas(reach: float, spacing: float) -> NDArray[np.uint8]:
    side = _SUPER * (2 * int(np.ceil(reach / spacing)) + 12)
    return np.zeros((side, side), np.uint8)


def _draw(canvas: NDArray[np.uint8], outline: Points, at: Points, fine: float, grey: int) -> None:
    """A filled contour (mm) at a place (mm from the middle); fine: mm a canvas pixel."""
    points = (outline + at) / fine + canvas.shape[0] / 2
    cv2.fillPoly(canvas, [fixed(points)], grey, cv2.LINE_8, SHIFT)


def _places(rng: np.random.Generator, number: int, reach: float, apart: float) -> Points:
    """Random places in a disc (mm), at least `apart` from each other where there is room."""
    chosen: list[NDArray[np.float64]] = []
    for _ in range(number * 20):
        at = rng.uniform(-reach, reach, 2)
        near = any(np.hypot(*(at - other)) < apart for other in chosen)
        if np.hypot(*at) <= reach and not near:
            chosen.append(at)
        if len(chosen) == number:
            break
    return np.array(chosen)


def speck(spacing: float) -> Field:
    """One round calcification of SPECK millimetres: what all clusters have in common."""
    fine = spacing / _SUPER
    canvas = _canvas(SPECK, spacing)
    middle = (canvas.shape[0] << SHIFT) // 2
    radius = round(SPECK / 2 / fine * 2**SHIFT)
    cv2.circle(canvas, (middle, middle), radius, 255, cv2.FILLED, cv2.LINE_8, SHIFT)
    return _finish(canvas)


def _dots(rng: np.random.Generator, reach: float, number: int, spacing: float) -> Field:
    """Round, uniform calcifications."""
    fine = spacing / _SUPER
    canvas = _canvas(reach + 0.6, spacing)
    diameter = rng.uniform(0.4, 0.7)
    for at in _places(rng, number, reach, 1.2):
        radius = diameter / 2 * rng.uniform(0.9, 1.1)
        _draw(
            canvas, contour(rng, radius, ((2, 0.03),), 1.05), at, fine, int(rng.integers(215, 256))
        )
    return _finish(canvas)


def punctate(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _dots(rng, radius, int(rng.integers(4, 8)), spacing)


def scattered(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _dots(rng, radius * 2.2, int(rng.integers(5, 9)), spacing)


def coarse(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    fine = spacing / _SUPER
    canvas = _canvas(radius + 3, spacing)
    for at in _places(rng, int(rng.integers(1, 3)), radius * 0.6, 3.5):
        waves = ((2, 0.08), (3, 0.1), (5, 0.08))
        outline = contour(rng, rng.uniform(0.8, 1.8), waves, rng.uniform(1.0, 1.5))
        _draw(canvas, outline, at, fine, int(rng.integers(215, 256)))
    return _finish(canvas)


def rim(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    fine = spacing / _SUPER
    canvas = _canvas(radius + 2.5, spacing)
    for at in _places(rng, int(rng.integers(1, 4)), radius, 3.2):
        outer = rng.uniform(0.6, 1.5)
        outline = contour(rng, outer, ((2, 0.03), (3, 0.02)), rng.uniform(1.0, 1.2))
        _draw(canvas, outline, at, fine, int(rng.integers(215, 256)))
        _draw(canvas, outline * rng.uniform(0.55, 0.75), at, fine, 70)  # lucent centre
    return _finish(canvas)


def _crumb(rng: np.random.Generator, canvas: NDArray[np.uint8], at: Points, fine: float) -> None:
    """One fine pleomorphic calcification: jagged, of any size and brightness."""
    waves = tuple((k, rng.uniform(0.1, 0.3)) for k in (2, 3, 5))
    radius = float(np.clip(rng.lognormal(np.log(0.22), 0.45), 0.1, 0.6))
    outline = contour(rng, radius, waves, rng.uniform(1.0, 2.4))
    _draw(canvas, outline, at, fine, int(rng.integers(140, 256)))


def pleomorphic(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    canvas = _canvas(radius + 0.8, spacing)
    for at in _places(rng, int(rng.integers(12, 22)), radius * 0.85, 0.7):
        _crumb(rng, canvas, at, spacing / _SUPER)
    return _finish(canvas)


def segmental(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    """A wedge of crumbs, as the ducts of one lobe spread out from the nipple."""
    canvas = _canvas(radius * 1.7 + 0.8, spacing)
    heading, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.42)
    for _ in range(int(rng.integers(15, 27))):
        r = radius * 3.2 * np.sqrt(rng.uniform(0.02, 1))
        angle = heading + rng.uniform(-spread, spread)
        at = r * np.array([np.cos(angle), np.sin(angle)])
        at -= 1.7 * radius * np.array([np.cos(heading), np.sin(heading)])
        _crumb(rng, canvas, at, spacing / _SUPER)
    return _finish(canvas)


def linear_branching(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    """Casts of ducts: short bright strokes along a duct and its branches."""
    fine = spacing / _SUPER
    canvas = _canvas(radius * 2.6 + 0.8, spacing)
    heading = rng.uniform(0, 2 * np.pi)
    start = -1.5 * radius * np.array([np.cos(heading), np.sin(heading)])
    paths = [(start, heading, 3 * radius)]
    for _ in range(int(rng.integers(2, 4))):
        along = rng.uniform(0.2, 0.8) * 3 * radius
        fork = start + along * np.array([np.cos(heading), np.sin(heading)])
        paths.append((fork, heading + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), 1.4 * radius))
    for origin, angle, length in paths:
        at, gone, turn = origin.copy(), 0.0, angle
        while gone < length:
            stroke = min(rng.uniform(0.6, 1.8), length - gone)
            turn = angle + rng.normal(0, 0.18)
            end = at + stroke * np.array([np.cos(turn), np.sin(turn)])
            width = max(1, round(rng.uniform(0.18, 0.32) / fine))
            points = fixed(np.stack([at, end]) / fine + canvas.shape[0] / 2)
            grey = int(rng.integers(150, 256))
            cv2.polylines(
                canvas,
                [points],
                isClosed=False,
                color=grey,
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=SHIFT,
            )
            gap = rng.uniform(0.4, 1.0)
            at = end + gap * np.array([np.cos(turn), np.sin(turn)])
            gone += stroke + gap
    return _finish(canvas)
