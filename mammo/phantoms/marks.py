"""What lies around the breast in real archives: lead letters, labels, white bands, dust."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.background import Background
from mammo.phantoms.machines import Look
from mammo.phantoms.random import Stream, generator
from mammo.phantoms.texture import Field, as_field
from mammo.views import Laterality, Projection

_CLEAR = 4.0  # mm of air that a marker keeps around itself
_LETTER = 7.0  # mm, height of lead letters


def _text(words: str, height: float, weight: float, angle: float) -> Field:
    """Words as opacity 0 to 1, turned by `angle` degrees; height and weight in pixels."""
    scale = height / 22.0  # OpenCV's simplex capitals are 22 pixels tall at scale 1
    line = max(1, round(weight))
    (width, tall), base = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    side = int(np.hypot(width, tall + base)) + 4 * line + 8
    canvas = np.zeros((side, side), np.uint8)
    origin = ((side - width) // 2, (side + tall) // 2)
    cv2.putText(canvas, words, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, line, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    out = as_field(cv2.warpAffine(canvas, turn, (side, side))) / np.float32(255)
    rows, columns = np.flatnonzero(out.any(1)), np.flatnonzero(out.any(0))
    return out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _label(words: str, height: float) -> Field:
    """A grey paper label with dark print."""
    print_ = _text(words, height, height / 9, 0)
    pad = int(height)
    sheet = cv2.copyMakeBorder(print_, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    return as_field(0.75 - 0.6 * as_field(sheet))


def _place(
    opacity: Field,
    view: Background,
    air: NDArray[np.bool_],
    corner: tuple[float, float],
    pixel: float,
) -> tuple[int, int] | None:
    """Top and left of a mark whose far corner lies at x, y mm from the field's outer corner."""
    rows, columns = view.shape
    tall, wide = opacity.shape
    left = int(corner[0] / pixel)
    if view.laterality is Laterality.LEFT:
        left = columns - left - wide
    top = int(corner[1] / pixel)
    clear = int(_CLEAR / pixel)
    y0, x0 = max(0, top - clear), max(0, left - clear)
    around = air[y0 // 2 : (top + tall + clear) // 2, x0 // 2 : (left + wide + clear) // 2]
    inside = left >= 0 and top >= 0 and left + wide <= columns and top + tall <= rows
    return (top, left) if inside and bool(around.all()) else None


def marks(view: Background, air: NDArray[np.bool_]) -> list[tuple[Field, int, int]]:
    """Marks as (grey, float32 (rows, columns), 0 where there is none), top, left.

    air: True outside the breast, on a grid of two by two pixels of the view's pictures. A mark
    for which there is no room beside the breast is left out, as a radiographer would.
    """
    rng = generator(view.seed, Stream.MARKERS)
    pixel = view.machine.spacing * view.resolution
    film = view.machine.look is Look.FILM
    words = f"{view.laterality}{' ' if rng.random() < 0.5 else ''}{view.projection}"
    height = _LETTER * rng.uniform(0.8, 1.2) / pixel
    angle = rng.uniform(20, 65) * rng.choice([-1, 1]) if film else float(rng.choice([0, 0, 90]))
    level = np.float32(rng.uniform(0.75, 1.0))
    number, print_ = int(rng.integers(1, 60)), int(rng.integers(10**6, 10**7))
    y = rng.uniform(4, 22)
    wanted = [
        (_text(words, height, height / rng.uniform(5, 8), angle) * level, (rng.uniform(3, 16), y))
    ]
    if film and rng.random() < 0.5:
        wanted.append((_text(str(number), height * 0.6, height / 10, 0) * level, (0.5, 0.5)))
    if film and rng.random() < 0.35:
        low = view.outline.height - rng.uniform(16, 26)
        wanted.append((_label(f"No {print_}", 2.6 / pixel), (rng.uniform(2, 8), low)))
    out = []
    for opacity, corner in wanted:
        at = _place(opacity, view, air, corner, pixel)
        if at is None and view.projection is Projection.CC:
            at = _place(opacity, view, air, (1.0, view.outline.height - 18.0), pixel)
        if at is not None:
            out.append((opacity.astype(np.float32), *at))
    return out


def soil(view: Background, grey: Field) -> None:
    """White bands at a film's edges, and dust, drawn into film grey in place."""
    rng = generator(view.seed, Stream.MARKERS, 1)
    rows, columns = view.shape
    pixel = view.machine.spacing * view.resolution
    for edge in ("top", "bottom", "outer"):
        if rng.random() < 0.4:
            band = max(2, round(rng.uniform(0.6, 2.6) / pixel))
            if edge == "top":
                grey[:band] = 1.0
            elif edge == "bottom":
                grey[-band:] = 1.0
            elif view.laterality is Laterality.LEFT:
                grey[:, -band:] = 1.0
            else:
                grey[:, :band] = 1.0
    for _ in range(int(rng.integers(0, 4))):
        at = (int(rng.integers(columns)), int(rng.integers(rows)))
        size = max(1, round(rng.uniform(0.1, 0.25) / pixel))
        cv2.circle(grey, at, size, float(rng.uniform(0.8, 1.0)), -1, cv2.LINE_AA)
