"""The tissue of one view, free of lesions: fat, gland, strands, vessels, muscle and skin.

The unit is tissue grey: 0 is air, about 0.25 fat, about 0.6 gland and 1 the brightest that a
display shows. It stands for the logarithm of exposure, in which attenuation adds up.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.outline import Outline
from mammo.phantoms.texture import Field, as_field, power_law, ridges


class Density(StrEnum):
    """Breast composition (ACR BI-RADS, fifth edition)."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"


@dataclass(frozen=True, slots=True)
class Tissue:
    """What one woman's breasts are made of; both breasts and views share it."""

    share: float  # of the breast's area that is mostly gland
    gland: float  # grey of full gland over fat
    fat: float  # grey of fat at full thickness
    coarse: float  # mm, size of the gland's islands
    soft: float  # how softly gland passes into fat
    strands: float  # grey of ligaments and ducts
    holes: float  # depth of fat lobules within the gland, share of its grey
    beta: float  # exponent of the texture's power spectrum
    grain: float  # standard deviation of that texture, grey


_MESHES = ((20.0, 0.17, 0.55), (11.0, 0.2, 0.6), (6.0, 0.27, 0.32))  # mm, width, weight
_STEP = 0.5  # mm a sample of the sheets that are bent over the breast
_BENT_ROWS, _BENT_COLUMNS = 640, 400
_SHARES = MappingProxyType(
    {
        Density.A: (0.03, 0.1),
        Density.B: (0.12, 0.32),
        Density.C: (0.38, 0.6),
        Density.D: (0.68, 0.85),
    }
)


def draw_tissue(rng: np.random.Generator, density: Density) -> Tissue:
    """One woman's tissue of the given density class."""
    low, high = _SHARES[density]
    return Tissue(
        share=float(rng.uniform(low, high)),
        gland=float(rng.uniform(0.26, 0.36)),
        fat=float(rng.uniform(0.2, 0.27)),
        coarse=float(rng.uniform(26, 48)),
        soft=float(rng.uniform(0.5, 1.4)),
        strands=float(rng.uniform(0.07, 0.15)),
        holes=float(rng.uniform(0.04, 0.26)),
        beta=float(rng.uniform(2.8, 3.2)),
        grain=float(rng.uniform(0.035, 0.05)),
    )


def _grow(field: Field, shape: tuple[int, int]) -> Field:
    return as_field(cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def _logistic(x: Field) -> Field:
    return as_field(1 / (1 + np.exp(-np.clip(x, -30, 30))))


def _vessels(
    rng: np.random.Generator, outline: Outline, shape: tuple[int, int], spacing: float
) -> Field:
    """A few winding vessels from the chest wall forwards, 0 to 1."""
    canvas = np.zeros(shape, np.uint8)
    x0, y0, x1, y1 = outline.box()
    for _ in range(int(rng.integers(2, 6))):
        steps = int(rng.integers(25, 60))
        turn = np.cumsum(rng.normal(0, 0.13, steps)) + rng.uniform(-0.7, 0.7)
        path = np.stack(
            [
                x0 + np.cumsum(1.8 * np.cos(turn)) + rng.uniform(0, 0.3) * (x1 - x0),
                rng.uniform(y0 + 0.15 * (y1 - y0), y1 - 0.15 * (y1 - y0))
                + np.cumsum(1.8 * np.sin(turn)),
            ],
            axis=1,
        )
        points = np.round((path - (0, y0)) / spacing * 16).astype(np.int32)
        width = max(1, round(rng.uniform(0.7, 2.2) / spacing))
        cv2.polylines(
            canvas,
            [points],
            isClosed=False,
            color=int(rng.integers(90, 255)),
            thickness=width,
            lineType=cv2.LINE_AA,
            shift=4,
        )
    return as_field(cv2.GaussianBlur(canvas, (0, 0), 0.35 / spacing)) / np.float32(255)


def _smooth(
    rng: np.random.Generator, shape: tuple[int, int], beta: float, outer: float, coarse: int
) -> Field:
    """A steep power-law field drawn on a grid `coarse` times coarser: it has nothing finer."""
    small = (-(-shape[0] // coarse), -(-shape[1] // coarse))
    return _grow(power_law(rng, small, beta, outer / coarse), shape)


def _bent(rng: np.random.Generator, bend: tuple[Field, Field], beta: float, outer: float) -> Field:
    """A unit-variance field drawn out along lines that run together in front of the nipple."""
    field = power_law(rng, (_BENT_ROWS, _BENT_COLUMNS), beta, outer / _STEP)
    return as_field(
        cv2.remap(field, *bend, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    )


def _bend(x: Field, y: Field, outline: Outline) -> tuple[Field, Field]:
    """Where each place of the view lies on a sheet that is to be bent over the breast."""
    nx, ny = outline.nipple
    front = nx + 45.0  # the lines meet behind this point, so that they stay apart at the nipple
    angle = np.arctan2(y - np.float32(ny), np.float32(front) - x) - np.float32(outline.axis * 0.5)
    radius = np.hypot(y - np.float32(ny), np.float32(front) - x)
    columns = radius * np.float32(0.26 / _STEP)
    rows = (angle + np.float32(np.pi / 2)) * np.float32(95 / _STEP)
    return as_field(columns), as_field(rows)


def _net(
    rng: np.random.Generator,
    bend: tuple[Field, Field],
    half: tuple[int, int],
    grain: float,
) -> Field:
    """Ligaments, septa and ducts as thin curves of several sizes, 0 to about 1.5."""
    net = np.zeros(half, np.float32)
    for mesh, width, weight in _MESHES:
        gate = np.clip(0.35 + 0.75 * _smooth(rng, half, 3.5, 24.0 / grain, 6), 0, 1.3)
        net += np.float32(weight) * gate * ridges(_smooth(rng, half, 5.0, mesh / grain, 2), width)
        gate = np.clip(0.4 + 0.8 * _smooth(rng, half, 3.5, 24.0 / grain, 6), 0, 1.3)
        net += np.float32(1.3 * weight) * gate * ridges(_bent(rng, bend, 4.6, mesh), width)
    return net


def render(
    rng: np.random.Generator, outline: Outline, tissue: Tissue, spacing: float
) -> NDArray[np.float32]:
    """Tissue grey of one view, canonical frame, float32 (height / spacing, width / spacing)."""
    full = (round(outline.height / spacing), round(outline.width / spacing))
    _, y0, x1, y1 = outline.box()
    top, bottom = max(0, int(y0 / spacing) - 2), min(full[0], int(y1 / spacing) + 3)
    right = min(full[1], int(x1 / spacing) + 3)
    shape = (bottom - top, right)
    half = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    step = (shape[0] / half[0] * spacing, shape[1] / half[1] * spacing)
    y = ((np.arange(half[0], dtype=np.float32) + 0.5) * np.float32(step[0]))[:, None]
    y = np.repeat(y + np.float32(top * spacing), half[1], axis=1)
    x = ((np.arange(half[1], dtype=np.float32) + 0.5) * np.float32(step[1]))[None, :]
    x = np.repeat(x, half[0], axis=0)
    grain = spacing * 2  # mm a pixel of the half grid

    skin = np.interp(y[:, 0], outline.y, outline.skin).astype(np.float32)
    inside = x < skin[:, None]
    distance = as_field(
        cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    ) * np.float32(grain)
    rim = np.clip(distance / np.float32(outline.rim), 0, 1)
    thick = np.sqrt(np.clip(1 - (1 - rim) ** 2, 0, 1))

    nx, ny = outline.nipple
    back = np.clip((nx - x) / np.float32(nx), 0, 1)  # 0 at the nipple, 1 at the chest wall
    across = (y - np.float32(ny)) / np.float32(0.5 * (y1 - y0))
    bend = _bend(x, y, outline)
    lobes = _smooth(rng, half, 4.6, tissue.coarse / grain, 3)
    strands = _bent(rng, bend, 4.2, 14.0)
    prior = (
        -6.2 * (back - 0.45) ** 2
        - 1.9 * (across + 0.12) ** 2
        - 2.6 * np.exp(-distance / np.float32(6.5))
    )
    plan = prior + 0.62 * lobes + 0.34 * strands
    level = np.quantile(plan[::4, ::4][inside[::4, ::4]], 1 - tissue.share)
    gland = _logistic((plan - np.float32(level)) / np.float32(0.42 * tissue.soft))
    net = _net(rng, bend, half, grain)
    holes = np.clip(_smooth(rng, half, 4.4, 9.0 / grain, 2), 0, 2) * gland

    grey = (
        tissue.fat
        + gland * np.float32(tissue.gland) * (0.68 + 0.18 * strands + 0.14 * lobes)
        + np.float32(tissue.strands) * net * (0.65 + 0.4 * gland)
        - np.float32(tissue.holes * tissue.gland) * holes
        + 0.05 * _vessels(rng, outline, half, grain)
    )
    if outline.pectoral is not None:
        muscle, edge = _muscle(rng, x, y, outline)
        grey = grey * (1 - 0.75 * edge) + edge * muscle
    texture = power_law(rng, shape, tissue.beta, 18.0 / spacing)
    amplitude = np.float32(tissue.grain) * (0.55 + 0.7 * gland)
    picture = _grow(grey, shape) + _grow(amplitude, shape) * texture
    picture *= _grow(thick**0.75, shape)
    rim_line = 0.07 * np.exp(-(((distance - 0.9) / 0.7) ** 2)) * inside
    nipple = 0.2 * np.exp(-(((x - nx + 3.5) / 4.0) ** 2) - ((y - ny) / 4.5) ** 2)
    picture += _grow((rim_line + nipple * np.minimum(rim * 6, 1)).astype(np.float32), shape)
    out_y = (top + np.arange(shape[0]) + 0.5) * spacing
    edge_x = as_field(np.interp(out_y, outline.y, outline.skin) / spacing)
    sharp = np.clip(edge_x[:, None] - np.arange(shape[1], dtype=np.float32)[None, :], 0, 1)
    out = np.zeros(full, np.float32)
    out[top:bottom, :right] = np.clip(picture, 0.0, 1.1) * sharp
    return out


def _muscle(rng: np.random.Generator, x: Field, y: Field, outline: Outline) -> tuple[Field, Field]:
    """Grey of the pectoral muscle, and its cover from 0 to 1."""
    assert outline.pectoral is not None
    px, py = outline.pectoral
    bulge = rng.uniform(0.02, 0.14)
    t = np.clip(y / np.float32(py), 0, 1)
    edge_x = px * (1 - t) + bulge * px * np.sin(np.pi * t)
    depth = (edge_x - x) * np.float32(np.cos(outline.axis))
    cover = _logistic(depth / np.float32(1.1)) * (y < py)
    fibres = power_law(rng, (300, 300), 3.0, 16.0)
    along = x * np.float32(np.sin(outline.axis)) - y * np.float32(np.cos(outline.axis))
    bent = cv2.remap(
        fibres,
        np.float32(1.2) * depth,
        np.float32(0.2) * along + 150,
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    level = rng.uniform(0.42, 0.55)
    grey = level + 0.1 * np.clip(depth / 30, 0, 1) + 0.022 * bent
    return np.asarray(grey, np.float32), np.asarray(cover, np.float32)
