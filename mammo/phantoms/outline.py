"""Where the breast lies in a view: skin, nipple, pectoral edge, and depth.

Canonical frame, in millimetres: chest wall at x = 0, x grows towards the nipple, y grows down.
In CC y grows towards the medial side, in MLO towards the feet.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.views import Projection

_KNOTS = 400  # samples of the skin curve


@dataclass(frozen=True, slots=True)
class Breast:
    """One woman's breast, the same in all its views (mm)."""

    depth: float  # nipple to chest wall in CC
    breadth: float  # along the chest wall in CC
    asymmetry: float  # share of the breadth by which the nipple sits off the middle
    thickness: float  # compressed; sets how far the rounded rim reaches in


@dataclass(frozen=True, slots=True)
class Outline:
    """A view's geometry on its field (mm, canonical frame)."""

    projection: Projection
    height: float  # of the field
    width: float
    y: NDArray[np.float64]  # (n,) growing
    skin: NDArray[np.float64]  # (n,) x of the skin at y; 0 or less where there is no breast
    nipple: tuple[float, float]  # x, y
    axis: float  # angle of the posterior nipple line above the horizontal, radians
    pectoral: tuple[float, float] | None  # x where the muscle meets the top, y where the wall
    rim: float  # mm from the skin over which the compressed breast reaches full thickness

    def box(self) -> tuple[float, float, float, float]:
        """The breast's bounding box on the field: x0, y0, x1, y1 (mm)."""
        inside = np.flatnonzero(self.skin > 1.0)
        return 0.0, float(self.y[inside[0]]), float(self.skin.max()), float(self.y[inside[-1]])

    def place(self, depth: float, across: float) -> tuple[float, float]:
        """x, y of a point `depth` mm behind the nipple and `across` mm up or lateral of the line."""
        c, s = np.cos(self.axis), np.sin(self.axis)
        x, y = self.nipple
        return float(x - depth * c + across * s), float(y - depth * s - across * c)


def draw_breast(rng: np.random.Generator) -> Breast:
    """Sizes as women have them; depth and breadth grow together."""
    depth = float(np.clip(rng.normal(95, 18), 62, 140))
    return Breast(
        depth=depth,
        breadth=float(depth * rng.uniform(1.55, 2.05)),
        asymmetry=float(rng.normal(0, 0.04)),
        thickness=float(rng.uniform(40, 68)),
    )


def _smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    blurred = cv2.GaussianBlur(
        values.reshape(-1, 1), (1, 0), sigmaX=0.1, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred, np.float64).ravel()


def _with_nipple(
    y: NDArray[np.float64], skin: NDArray[np.float64], at: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """The skin with a nipple in profile, and the nipple's tip."""
    tall, half = rng.uniform(3, 8), rng.uniform(4.5, 7)
    bump = tall * np.exp(-(np.abs((y - at) / half) ** 3))
    tip = float(np.interp(at, y, skin)) + float(tall)
    return np.where(skin > 0, skin + bump, skin), (tip, at)


def craniocaudal(breast: Breast, field: tuple[float, float], rng: np.random.Generator) -> Outline:
    """CC: a half ellipse on the chest wall. field: height, width (mm)."""
    height, width = field
    half = min(breast.breadth / 2, 0.46 * height)
    depth = min(breast.depth, 0.86 * width)
    middle = height / 2 + rng.normal(0, 0.02) * height
    middle = float(np.clip(middle, half + 4, height - half - 4))
    y = np.linspace(0, height, _KNOTS)
    t = np.clip(np.abs(y - middle) / half, 0, 1)
    lift = 1 + 0.12 * np.sin(np.pi * (y - middle) / half) * rng.uniform(-1, 1)
    skin = depth * (1 - t ** rng.uniform(1.9, 2.3)) ** rng.uniform(0.55, 0.72) * lift
    skin = _smooth(skin, 4.0)
    skin[t >= 1] = 0
    at = middle + breast.asymmetry * breast.breadth
    skin, nipple = _with_nipple(y, skin, at, rng)
    rim = breast.thickness * rng.uniform(0.36, 0.65)
    return Outline(Projection.CC, height, width, y, skin, nipple, 0.0, None, rim)


def oblique(breast: Breast, field: tuple[float, float], rng: np.random.Generator) -> Outline:
    """MLO: axilla at the top, fold below, the pectoral muscle in the upper corner."""
    height, width = field
    depth = min(breast.depth * rng.uniform(1.0, 1.12), 0.88 * width)
    level = float(np.clip(breast.breadth * rng.uniform(0.62, 0.78), 0.42 * height, 0.66 * height))
    fold = min(level + breast.breadth * rng.uniform(0.42, 0.52), 0.95 * height)
    top = depth * rng.uniform(0.42, 0.68)
    belly = depth * rng.uniform(0.05, 0.16)
    y = np.linspace(0, height, _KNOTS)
    low = fold - level
    knots = (
        (-10.0, top * 0.94), (level * 0.3, top + 0.36 * (depth - top)),
        (level * 0.62, top + 0.78 * (depth - top)), (level * 0.85, depth * 0.97),
        (level, depth), (level + 0.25 * low, depth * 0.96), (level + 0.5 * low, depth * 0.8),
        (level + 0.75 * low, depth * 0.5), (level + 0.92 * low, depth * 0.2),
        (fold, belly), (height + 10.0, belly * rng.uniform(0.6, 1.8)),
    )  # fmt: skip
    skin = np.interp(y, [k[0] for k in knots], [k[1] for k in knots])
    skin = _smooth(skin, 11.0)
    skin, nipple = _with_nipple(y, skin, level + rng.normal(0, 2), rng)
    pectoral = (
        float(min(top * rng.uniform(0.55, 0.95), 0.42 * width)),
        float(level * rng.uniform(0.72, 1.02)),
    )
    axis = float(np.arctan2(pectoral[0], pectoral[1]))
    rim = breast.thickness * rng.uniform(0.36, 0.65)
    return Outline(Projection.MLO, height, width, y, skin, nipple, axis, pectoral, rim)
