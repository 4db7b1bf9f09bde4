"""Shapes of lesions after the BI-RADS lexicon (ACR BI-RADS Atlas, fifth edition, mammography).

Benign and malignant kinds differ in shape, margin, morphology and distribution, never in
strength. A stamp is a picture of one lesion with peak near 1, drawn on a square grid.
"""

from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.texture import Field, as_field

Points = NDArray[np.float64]  # (n, 2): x, y
_SHIFT = 4  # OpenCV's fixed point: sixteenths of a pixel
_SUPER = 4  # calcifications are drawn at four times the grid and averaged


class Morphology(StrEnum):
    """What a lesion looks like; the first five are masses."""

    ROUND = "round"
    OVAL = "oval"
    LOBULATED = "lobulated"
    IRREGULAR = "irregular"
    SPICULATED = "spiculated"
    PUNCTATE = "punctate"
    SCATTERED = "scattered"
    COARSE = "coarse"
    RIM = "rim"
    PLEOMORPHIC = "pleomorphic"
    LINEAR_BRANCHING = "linear_branching"
    SEGMENTAL = "segmental"


MASSES = MappingProxyType(
    {
        False: (Morphology.ROUND, Morphology.OVAL, Morphology.LOBULATED),
        True: (Morphology.IRREGULAR, Morphology.SPICULATED),
    }
)
CLUSTERS = MappingProxyType(
    {
        False: (Morphology.PUNCTATE, Morphology.SCATTERED, Morphology.COARSE, Morphology.RIM),
        True: (Morphology.PLEOMORPHIC, Morphology.LINEAR_BRANCHING, Morphology.SEGMENTAL),
    }
)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.asarray(np.round(points * 2**_SHIFT), np.int32)


def _contour(
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


def _body(contour: Points, size: int, blur: float) -> Field:
    """The projection of a solid with this outline: thick inside, falling to nothing at the edge."""
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [_fixed(contour + size / 2)], 255, cv2.LINE_8, _SHIFT)
    distance = as_field(cv2.distanceTransform(canvas, cv2.DIST_L2, 5))
    rho = 1 - distance / max(float(distance.max()), 1.0)
    solid = np.sqrt(np.clip(1 - rho * rho, 0, 1)) * (canvas > 0)
    return as_field(cv2.GaussianBlur(as_field(solid), (0, 0), blur))


def _mass_size(radius: float, reach: float) -> int:
    return 2 * int(np.ceil(radius * reach)) + 8


def _round(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    contour = _contour(rng, radius, ((2, 0.02), (3, 0.015)), rng.uniform(1.0, 1.1))
    return _body(contour, _mass_size(radius, 1.35), rng.uniform(0.2, 0.4) / spacing)


def _oval(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    contour = _contour(rng, radius, ((2, 0.03), (3, 0.025)), rng.uniform(1.3, 1.9))
    return _body(contour, _mass_size(radius, 1.7), rng.uniform(0.2, 0.45) / spacing)


def _lobulated(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    waves = ((2, 0.05), (int(rng.integers(3, 5)), rng.uniform(0.09, 0.14)))
    contour = _contour(rng, radius, waves, rng.uniform(1.0, 1.5))
    return _body(contour, _mass_size(radius, 1.75), rng.uniform(0.2, 0.45) / spacing)


def _jagged(rng: np.random.Generator, radius: float) -> Points:
    waves = tuple((k, rng.uniform(0.4, 1.0) * 0.24 / np.sqrt(k)) for k in range(2, 13))
    return _contour(rng, radius, waves, rng.uniform(1.0, 1.5))


def _irregular(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _body(_jagged(rng, radius), _mass_size(radius, 2.2), rng.uniform(0.35, 1.1) / spacing)


def _spiculated(rng: np.random.Generator, radius: float, spacing: float) -> Field:
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
            piece = _fixed(path[i : i + 2])
            cv2.polylines(
                needles,
                [piece],
                isClosed=False,
                color=int(grey * (1 - i / 9)),
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=_SHIFT,
            )
    soft = as_field(cv2.GaussianBlur(needles, (0, 0), 0.18 / spacing)) / np.float32(255)
    return as_field(np.maximum(body, soft) + 0.35 * np.minimum(body, soft))


def _finish(canvas: NDArray[np.uint8]) -> Field:
    """A super-sampled canvas as a stamp, with the detector's blur."""
    side = canvas.shape[0] // _SUPER
    small = as_field(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA))
    return as_field(cv2.GaussianBlur(small, (0, 0), 0.6)) / np.float32(255)


def _canvas(reach: float, spacing: float) -> NDArray[np.uint8]:
    side = _SUPER * (2 * int(np.ceil(reach / spacing)) + 12)
    return np.zeros((side, side), np.uint8)


def _draw(canvas: NDArray[np.uint8], contour: Points, at: Points, fine: float, grey: int) -> None:
    """A filled contour (mm) at a place (mm from the middle); fine: mm a canvas pixel."""
    points = (contour + at) / fine + canvas.shape[0] / 2
    cv2.fillPoly(canvas, [_fixed(points)], grey, cv2.LINE_8, _SHIFT)


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


def _dots(rng: np.random.Generator, reach: float, number: int, spacing: float) -> Field:
    """Round, uniform calcifications."""
    fine = spacing / _SUPER
    canvas = _canvas(reach + 0.6, spacing)
    diameter = rng.uniform(0.4, 0.7)
    for at in _places(rng, number, reach, 1.2):
        radius = diameter / 2 * rng.uniform(0.9, 1.1)
        _draw(
            canvas, _contour(rng, radius, ((2, 0.03),), 1.05), at, fine, int(rng.integers(215, 256))
        )
    return _finish(canvas)


def _punctate(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _dots(rng, radius, int(rng.integers(4, 8)), spacing)


def _scattered(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    return _dots(rng, radius * 2.2, int(rng.integers(5, 9)), spacing)


def _coarse(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    fine = spacing / _SUPER
    canvas = _canvas(radius + 3, spacing)
    for at in _places(rng, int(rng.integers(1, 3)), radius * 0.6, 3.5):
        waves = ((2, 0.08), (3, 0.1), (5, 0.08))
        contour = _contour(rng, rng.uniform(0.8, 1.8), waves, rng.uniform(1.0, 1.5))
        _draw(canvas, contour, at, fine, int(rng.integers(215, 256)))
    return _finish(canvas)


def _rim(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    fine = spacing / _SUPER
    canvas = _canvas(radius + 2.5, spacing)
    for at in _places(rng, int(rng.integers(1, 4)), radius, 3.2):
        outer = rng.uniform(0.6, 1.5)
        contour = _contour(rng, outer, ((2, 0.03), (3, 0.02)), rng.uniform(1.0, 1.2))
        _draw(canvas, contour, at, fine, int(rng.integers(215, 256)))
        _draw(canvas, contour * rng.uniform(0.55, 0.75), at, fine, 70)  # lucent centre
    return _finish(canvas)


def _crumb(rng: np.random.Generator, canvas: NDArray[np.uint8], at: Points, fine: float) -> None:
    """One fine pleomorphic calcification: jagged, of any size and brightness."""
    waves = tuple((k, rng.uniform(0.1, 0.3)) for k in (2, 3, 5))
    radius = float(np.clip(rng.lognormal(np.log(0.2), 0.5), 0.08, 0.6))
    contour = _contour(rng, radius, waves, rng.uniform(1.0, 2.4))
    _draw(canvas, contour, at, fine, int(rng.integers(90, 256)))


def _pleomorphic(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    canvas = _canvas(radius + 0.8, spacing)
    for at in _places(rng, int(rng.integers(6, 12)), radius * 0.75, 0.7):
        _crumb(rng, canvas, at, spacing / _SUPER)
    return _finish(canvas)


def _segmental(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    """A wedge of crumbs, as the ducts of one lobe spread out from the nipple."""
    canvas = _canvas(radius * 1.7 + 0.8, spacing)
    heading, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.42)
    for _ in range(int(rng.integers(8, 15))):
        r = radius * 3.2 * np.sqrt(rng.uniform(0.02, 1))
        angle = heading + rng.uniform(-spread, spread)
        at = r * np.array([np.cos(angle), np.sin(angle)])
        at -= 1.7 * radius * np.array([np.cos(heading), np.sin(heading)])
        _crumb(rng, canvas, at, spacing / _SUPER)
    return _finish(canvas)


def _linear_branching(rng: np.random.Generator, radius: float, spacing: float) -> Field:
    """Casts of ducts: short bright strokes along a duct and its branches."""
    fine = spacing / _SUPER
    canvas = _canvas(radius * 2.1 + 0.8, spacing)
    heading = rng.uniform(0, 2 * np.pi)
    start = -1.2 * radius * np.array([np.cos(heading), np.sin(heading)])
    paths = [(start, heading, 2.4 * radius)]
    for _ in range(int(rng.integers(1, 3))):
        along = rng.uniform(0.2, 0.8) * 2.4 * radius
        fork = start + along * np.array([np.cos(heading), np.sin(heading)])
        paths.append((fork, heading + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), 1.1 * radius))
    for origin, angle, length in paths:
        at, gone, turn = origin.copy(), 0.0, angle
        while gone < length:
            stroke = min(rng.uniform(1.0, 2.6), length - gone)
            turn = angle + rng.normal(0, 0.18)
            end = at + stroke * np.array([np.cos(turn), np.sin(turn)])
            width = max(1, round(rng.uniform(0.18, 0.32) / fine))
            points = _fixed(np.stack([at, end]) / fine + canvas.shape[0] / 2)
            grey = int(rng.integers(150, 256))
            cv2.polylines(
                canvas,
                [points],
                isClosed=False,
                color=grey,
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=_SHIFT,
            )
            gap = rng.uniform(0.2, 0.9)
            at = end + gap * np.array([np.cos(turn), np.sin(turn)])
            gone += stroke + gap
    return _finish(canvas)


_DRAWN: MappingProxyType[Morphology, Callable[[np.random.Generator, float, float], Field]] = (
    MappingProxyType(
        {
            Morphology.ROUND: _round,
            Morphology.OVAL: _oval,
            Morphology.LOBULATED: _lobulated,
            Morphology.IRREGULAR: _irregular,
            Morphology.SPICULATED: _spiculated,
            Morphology.PUNCTATE: _punctate,
            Morphology.SCATTERED: _scattered,
            Morphology.COARSE: _coarse,
            Morphology.RIM: _rim,
            Morphology.PLEOMORPHIC: _pleomorphic,
            Morphology.LINEAR_BRANCHING: _linear_branching,
            Morphology.SEGMENTAL: _segmental,
        }
    )
)


def is_mass(morphology: Morphology) -> bool:
    """Whether it is a mass (else a cluster of calcifications)."""
    return morphology in (*MASSES[False], *MASSES[True])


def stamp(rng: np.random.Generator, morphology: Morphology, radius: float, spacing: float) -> Field:
    """A lesion's picture, float32 (n, n), 0 to about 1.

    radius: mm, of the body of a mass or of a cluster's spread. spacing: mm a pixel of the stamp.
    """
    draw = _DRAWN[morphology]
    return (
        draw(rng, radius / spacing, spacing) if is_mass(morphology) else draw(rng, radius, spacing)
    )


def mask(picture: Field, morphology: Morphology) -> NDArray[np.bool_]:
    """Where a reader would draw the lesion: a mass's visible body, a cluster's convex hull."""
    visible = picture > 0.2 * float(picture.max())
    if is_mass(morphology):
        return visible
    points = cv2.findNonZero(visible.astype(np.uint8))
    out = np.zeros(picture.shape, np.uint8)
    cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return np.asarray(out > 0)
