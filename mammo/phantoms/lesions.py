"""Lesions: drawn, placed in one or both views of a breast, and given their strength."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.codes import Kind
from mammo.phantoms.background import Background, Resolution
from mammo.phantoms.calcifications import speck
from mammo.phantoms.detectability import resample, unit_detectability
from mammo.phantoms.outline import Outline
from mammo.phantoms.shapes import CLUSTERS, MASSES, Morphology, is_mass, mask, stamp
from mammo.phantoms.texture import Field, as_field
from mammo.views import Projection

Box = tuple[int, int, int, int]  # x0, y0, x1, y1; the last two exclusive

WEAKEST, STRONGEST, MEDIAN = 3.0, 12.0, 6.0  # d'
DETAIL = 0.5  # mm, standard deviation of the blur that leaves of a mass what is common to masses
_SPREAD = 0.42  # of the logarithm of d'
_BRIGHTEST = 1.0  # tissue grey that a lesion may reach: displays saturate above
_TRIES = 150


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion in one view; `box` in pixels of the view's pictures."""

    id: str  # the same in both views of a breast
    morphology: Morphology
    malignant: bool
    detectability: float  # d' in this view at prepared resolution, of what is `known` of it
    detectability_ske: float  # the same of the whole signal known exactly, every speck's place too
    contrast: float  # tissue grey at the stamp's peak
    depth: float  # mm behind the nipple
    box: Box
    picture: Field  # (n, n), n even, 0 to about 1, on `grid`
    grid: Resolution
    left: int  # of the picture, pixels of `grid`
    top: int

    @property
    def kind(self) -> Kind:
        """Mass or calcification."""
        return Kind.MASS if is_mass(self.morphology) else Kind.CALCIFICATION


@dataclass(frozen=True, slots=True)
class _Seed:
    """What a lesion is before it is seen: radius, depth and offsets in mm."""

    morphology: Morphology
    malignant: bool
    radius: float
    depth: float
    lateral: float  # shows in CC
    superior: float  # shows in MLO
    strength: float


def draw_strength(rng: np.random.Generator) -> float:
    """A d' from 3 to 12, median about 6: a log-normal, cut."""
    while True:
        value = float(rng.lognormal(np.log(MEDIAN), _SPREAD))
        if WEAKEST <= value <= STRONGEST:
            return value


def _draw(rng: np.random.Generator, view: Background, *, malignant: bool, strength: float) -> _Seed:
    mass = rng.random() < 0.55
    morphology = Morphology(rng.choice((MASSES if mass else CLUSTERS)[malignant]))
    median = 5.5 if mass else 3.6  # mm
    _, y0, x1, y1 = view.outline.box()
    half = 0.45 * min(y1 - y0, 1.5 * x1)
    return _Seed(
        morphology=morphology,
        malignant=malignant,
        radius=float(np.clip(rng.lognormal(np.log(median), 0.36), 0.5 * median, 2.4 * median)),
        depth=float(rng.uniform(0.18, 0.82) * view.outline.nipple[0]),
        lateral=float(rng.normal(0.12, 0.42) * half),
        superior=float(rng.normal(0.12, 0.36) * half),
        strength=strength,
    )


def _fits(outline: Outline, x: float, y: float, radius: float) -> bool:
    """Whether a disc lies in the breast, off the muscle, skin and field's edges (mm)."""
    rows = np.array([y - radius, y, y + radius])
    if x < radius + 2 or rows[0] < 3 or rows[2] > outline.height - 3:
        return False
    if np.any(x + radius + 5 > np.interp(rows, outline.y, outline.skin)):
        return False
    if outline.pectoral is None:
        return True
    px, py = outline.pectoral
    return bool(x / px + (y - radius) / py > 1.05 + 0.12)


def _spot(rng: np.random.Generator, seed: _Seed, view: Background) -> tuple[float, float]:
    """Where it shows in a view (mm, canonical); depth agrees to a few millimetres."""
    across = seed.lateral if view.projection is Projection.CC else seed.superior
    return view.outline.place(seed.depth + float(np.clip(rng.normal(0, 2.5), -5, 5)), across)


def known(picture: Field, morphology: Morphology, spacing: float) -> Field:
    """What an observer can know of a lesion beforehand, on the picture's grid.

    Nobody knows where a mass's needles point or how a cluster is strewn, and a d' that counts on
    it is one that no reader and no network reaches. So a mass is known up to details of DETAIL,
    a cluster by one calcification. spacing: mm a pixel.
    """
    if not is_mass(morphology):
        return speck(spacing)
    sigma = DETAIL / spacing
    return as_field(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT))


def _show(
    rng: np.random.Generator, seed: _Seed, view: Background, at: tuple[float, float], name: str
) -> Lesion:
    grid = Resolution.WORKING if is_mass(seed.morphology) else Resolution.FULL
    picture = stamp(rng, seed.morphology, seed.radius, view.machine.spacing * grid)
    column, row = view.pixel(*at)
    size = picture.shape[0]  # even, and its corner too, so that both grids share its edges
    left = 2 * round((column / grid - size / 2) / 2)
    top = 2 * round((row / grid - size / 2) / 2)
    scale = view.prepared_scale * grid / Resolution.WORKING
    spectrum = view.spectrum(*at)
    expected = resample(known(picture, seed.morphology, view.machine.spacing * grid), scale)
    unit = unit_detectability(expected, spectrum)
    whole = unit_detectability(resample(picture, scale), spectrum)
    strength = float(np.clip(seed.strength * rng.uniform(0.88, 1.12), WEAKEST, STRONGEST))
    nx, ny = view.outline.nipple
    c, s = np.cos(view.outline.axis), np.sin(view.outline.axis)
    return Lesion(
        id=name,
        morphology=seed.morphology,
        malignant=seed.malignant,
        detectability=strength,
        detectability_ske=strength / unit * whole,
        contrast=strength / unit,
        depth=float((nx - at[0]) * c + (ny - at[1]) * s),
        box=_box(picture, seed.morphology, grid, (left, top), view),
        picture=picture,
        grid=grid,
        left=left,
        top=top,
    )


def _on(picture: NDArray[np.uint8], grid: Resolution, resolution: Resolution) -> NDArray[np.uint8]:
    """A stamp's mask on the grid of the pictures."""
    if grid is resolution:
        return picture
    if grid is Resolution.WORKING:
        return picture.repeat(2, axis=0).repeat(2, axis=1)
    n = picture.shape[0] // 2
    return np.asarray(picture.reshape(n, 2, n, 2).max(axis=(1, 3)), np.uint8)


def _box(
    picture: Field,
    morphology: Morphology,
    grid: Resolution,
    corner: tuple[int, int],
    view: Background,
) -> Box:
    cover = _on(mask(picture, morphology).astype(np.uint8), grid, view.resolution)
    x, y, width, height = cv2.boundingRect(cover)
    x += corner[0] * grid // view.resolution
    y += corner[1] * grid // view.resolution
    rows, columns = view.shape
    return max(0, x), max(0, y), min(columns, x + width), min(rows, y + height)


def paste(canvas: NDArray[np.generic], patch: NDArray[np.generic], left: int, top: int) -> None:
    """Add a patch onto a canvas, in place; what hangs over the edge is cut off."""
    rows, columns = canvas.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(rows, top + patch.shape[0]), min(columns, left + patch.shape[1])
    if y0 < y1 and x0 < x1:
        canvas[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]  # type: ignore[misc]


def lesion_mask(view: Background, lesion: Lesion) -> NDArray[np.uint8]:
    """0 and 255, uint8 (rows, columns) of the view's pictures; its bounding box is `box`."""
    cover = _on(
        mask(lesion.picture, lesion.morphology).astype(np.uint8) * np.uint8(255),
        lesion.grid,
        view.resolution,
    )
    out = np.zeros(view.shape, np.uint8)
    factor = lesion.grid / view.resolution
    paste(out, cover, int(lesion.left * factor), int(lesion.top * factor))
    return out


def signal(view: Background, lesion: Lesion) -> tuple[Field, int, int]:
    """What the lesion adds to tissue grey on the pictures' grid: patch, left, top."""
    patch = lesion.picture * np.float32(lesion.contrast)
    if lesion.grid is view.resolution:
        return patch, lesion.left, lesion.top
    n = patch.shape[0]
    if lesion.grid is Resolution.WORKING:
        grown = cv2.resize(patch, (2 * n, 2 * n), interpolation=cv2.INTER_LINEAR)
        return as_field(grown), 2 * lesion.left, 2 * lesion.top
    shrunk = cv2.resize(patch, (n // 2, n // 2), interpolation=cv2.INTER_AREA)
    return as_field(shrunk), lesion.left // 2, lesion.top // 2


def _peak(view: Background, lesion: Lesion) -> float:
    """Tissue grey at the lesion's brightest: its contrast over the mean of its box."""
    x0, y0, x1, y1 = (edge * view.resolution // Resolution.WORKING for edge in lesion.box)
    return lesion.contrast + float(view.anatomy[y0 : y1 + 1, x0 : x1 + 1].mean())


def _apart(
    spots: Sequence[tuple[float, float]], taken: Iterable[Sequence[tuple[float, float]]]
) -> bool:
    """Whether a lesion's places keep 25 mm from all that are taken, view by view."""
    return all(
        np.hypot(a[0] - b[0], a[1] - b[1]) > 25
        for other in taken
        for a, b in zip(spots, other, strict=True)
    )


def draw_lesions(
    rng: np.random.Generator,
    views: Sequence[Background],
    malignant: Sequence[bool],
    prefix: str = "",
) -> tuple[tuple[Lesion, ...], ...]:
    """Lesions of one breast, one for each entry of `malignant`, as each of its views shows them.

    Returns one tuple a view, in the same order and with the same ids. A lesion for which no
    place is found at once is drawn again, smaller and smaller; one that finds none is left out.
    """
    shown: list[list[Lesion]] = [[] for _ in views]
    taken: list[list[tuple[float, float]]] = []
    for number, bad in enumerate(malignant, start=1):
        strength = draw_strength(rng)  # once: what does not fit must not change the distribution
        for attempt in range(_TRIES):
            seed = _draw(rng, views[0], malignant=bad, strength=strength)
            seed = replace(seed, radius=seed.radius * (1 - 0.6 * attempt / _TRIES))
            spots = [_spot(rng, seed, view) for view in views]
            if not _apart(spots, taken) or not all(
                _fits(v.outline, *at, seed.radius) for v, at in zip(views, spots, strict=True)
            ):
                continue
            pair = [
                _show(rng, seed, view, at, f"{prefix}{number}")
                for view, at in zip(views, spots, strict=True)
            ]
            if all(_peak(v, lesion) <= _BRIGHTEST for v, lesion in zip(views, pair, strict=True)):
                taken.append(spots)
                for found, lesion in zip(shown, pair, strict=True):
                    found.append(lesion)
                break
    return tuple(tuple(found) for found in shown)


def draw_lesion(rng: np.random.Generator, view: Background, *, malignant: bool) -> Lesion | None:
    """One lesion in one view; None where the breast has no room for one."""
    (found,) = draw_lesions(rng, [view], [malignant])
    return found[0] if found else None
