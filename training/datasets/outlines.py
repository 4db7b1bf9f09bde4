"""Where a lesion lies on an image: polygon, circle, box or mask, in pixels of its file.

(0, 0) is the outer corner of the top left pixel; x grows to the right, y down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
Point = tuple[float, float]  # x, y

ROUND = 48  # corners of a circle or an ellipse as a polygon: within 0.3% of its area
DISC = 5.0  # pixels, radius of the disc that stands for one point
# DDSM's chain code: 0 up, then clockwise by 45 degrees (x, y of a step).
STEPS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline; the last corner is joined to the first."""

    points: tuple[Point, ...]  # three or more


@dataclass(frozen=True, slots=True)
class Circle:
    """A centre and a radius."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Sides along the image's."""

    box: Box


@dataclass(frozen=True, slots=True)
class Mask:
    """A file of the image's shape whose non-zero pixels are the lesion."""

    file: Path
    box: Box | None = None  # around them, where it is known without opening the file
    size: tuple[int, int] | None = None  # rows, columns of the image, where the file has others


Outline = Polygon | Circle | Rectangle | Mask


def contour(outline: Polygon | Circle | Rectangle) -> NDArray[np.float64]:
    """Its corners, (n, 2)."""
    match outline:
        case Polygon(points):
            return np.array(points, np.float64)
        case Circle(x, y, radius):
            return np.array(ellipse(x, y, radius, radius, 0.0).points, np.float64)
        case Rectangle((x0, y0, x1, y1)):
            return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


def bounds(outline: Outline) -> Box | None:
    """The smallest box around it; None for a mask of which nobody says it."""
    match outline:
        case Mask(box=box):
            return box
        case Circle(x, y, radius):
            return x - radius, y - radius, x + radius, y + radius
        case Rectangle(box):
            return box
        case Polygon(points):
            xs, ys = zip(*points, strict=True)
            return min(xs), min(ys), max(xs), max(ys)


def area(outline: Polygon | Circle | Rectangle) -> float:
    """Pixels squared, by the shoelace formula; of a line that crosses itself the sum with signs."""
    if isinstance(outline, Circle):
        return math.pi * outline.radius**2
    x, y = contour(outline).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def ellipse(x: float, y: float, rx: float, ry: float, theta: float) -> Polygon:
    """An ellipse turned by `theta` radians (clockwise as seen, y down) as a polygon."""
    turns = np.linspace(0.0, 2 * math.pi, ROUND, endpoint=False)
    along, across = rx * np.cos(turns), ry * np.sin(turns)
    xs = x + along * math.cos(theta) - across * math.sin(theta)
    ys = y + along * math.sin(theta) + across * math.cos(theta)
    return Polygon(tuple(zip(xs.tolist(), ys.tolist(), strict=True)))


def chain(column: int, row: int, codes: Sequence[int]) -> Polygon:
    """DDSM's boundary from its first pixel: the middles of the pixels that it walks along."""
    steps = np.array([STEPS[code] for code in codes], np.int64).reshape(-1, 2)
    walk = np.array([column, row]) + np.concatenate([np.zeros((1, 2), np.int64), steps.cumsum(0)])
    return Polygon(tuple((x + 0.5, y + 0.5) for x, y in walk.tolist()))


def scaled(outline: Polygon, across: float, down: float) -> Polygon:
    """The same on an image whose columns and rows are so many times as many."""
    return Polygon(tuple((x * across, y * down) for x, y in outline.points))


def clipped(outline: Outline, size: tuple[int, int]) -> tuple[Outline, bool]:
    """Cut at the edges of an image (rows, columns), and whether anything had to be.

    A circle is kept round: its box is what gets cut, where it is used.
    """
    rows, columns = size
    match outline:
        case Mask():
            return outline, False
        case Circle():
            box = bounds(outline)
            return outline, box is not None and _clamp_box(box, rows, columns) != box
        case Rectangle(box):
            inside = _clamp_box(box, rows, columns)
            return Rectangle(inside), inside != box
        case Polygon(points):
            within = tuple(
                (min(max(x, 0.0), float(columns)), min(max(y, 0.0), float(rows))) for x, y in points
            )
            return Polygon(within), within != points


def _clamp_box(box: Box, rows: int, columns: int) -> Box:
    x0, y0, x1, y1 = box
    return (
        min(max(x0, 0.0), float(columns)),
        min(max(y0, 0.0), float(rows)),
        min(max(x1, 0.0), float(columns)),
        min(max(y1, 0.0), float(rows)),
    )


def polygon_or_disc(points: Sequence[Point], disc: float = DISC) -> tuple[Outline, bool]:
    """A polygon of three or more points, else a disc in their middle; whether it is a disc.

    Raises ValueError for no point at all, or one that is not a number.
    """
    if not points or not all(math.isfinite(v) for point in points for v in point):
        raise ValueError("an outline needs points that are numbers")
    if len(points) >= 3:
        return Polygon(tuple(points)), False
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return Circle(x, y, disc), True
