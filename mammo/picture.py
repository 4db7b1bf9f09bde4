"""Pictures for people: what the model sees, beside where it lies in the native image."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.breast import Gray
from mammo.geometry import Boxes, Geometry
from mammo.prepare import Prepared

Picture = NDArray[np.uint8]  # (rows, columns, 3), blue green red as OpenCV writes it

CROP = (60, 190, 250)  # amber
BOX = (70, 90, 245)  # coral
INK = (225, 225, 225)
BAR = (38, 32, 28)  # a dark slate, so that the image's own black is seen
FONT = cv2.FONT_HERSHEY_SIMPLEX
BAR_HEIGHT = 34  # pixels a line
GAP = 12  # between the two images
HIDDEN = 0.35  # how much of its light the native image keeps outside the crop


class Mark(NamedTuple):
    """A box to draw, with the word beside it."""

    x0: float
    y0: float
    x1: float
    y1: float
    label: str = ""


def side_by_side(
    prepared: Prepared,
    native: Gray,
    marks: Sequence[Mark] = (),
    caption: Sequence[str] = (),
) -> Picture:
    """The prepared view and the native image (rows, columns), as one picture.

    `marks` are in native pixels and are drawn in both; the crop is drawn in the native image,
    which is darker outside. `caption` has a line for each string.
    """
    left = framed(prepared.tensor[0], _moved(marks, prepared.geometry), BOX)
    height = left.shape[0]
    scale = height / native.shape[0]
    size = (max(1, round(native.shape[1] * scale)), height)
    thumbnail = np.asarray(cv2.resize(native, size, interpolation=cv2.INTER_AREA), np.uint8)
    crop = _crop_outline(prepared) * scale
    x0, y0, x1, y1 = (int(v) for v in np.clip(np.rint(crop), 0, [*size, *size]))
    dim = np.asarray(thumbnail * HIDDEN, np.uint8)
    dim[y0:y1, x0:x1] = thumbnail[y0:y1, x0:x1]
    smaller = [Mark(m.x0 * scale, m.y0 * scale, m.x1 * scale, m.y1 * scale, m.label) for m in marks]
    right = framed(dim, smaller, BOX)
    cv2.rectangle(right, (x0, y0), (x1 - 1, y1 - 1), CROP, 2, cv2.LINE_AA)
    gap = np.full((height, GAP, 3), BAR, np.uint8)
    return _captioned(np.hstack([left, gap, right]), caption)


def framed(gray: Gray, marks: Sequence[Mark], colour: tuple[int, int, int]) -> Picture:
    """A gray image (rows, columns) in colour, with boxes in its own pixels."""
    picture = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
    size = max(0.4, gray.shape[0] / 2200)
    for mark in marks:
        x0, y0, x1, y1 = (round(v) for v in mark[:4])
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2, cv2.LINE_AA)
        if mark.label:
            (width, height), _ = cv2.getTextSize(mark.label, FONT, size, 1)
            x = min(max(0, x0), gray.shape[1] - width - 4)
            above = y0 - height - 8 >= 0
            y = y0 - 6 if above else y1 + height + 8
            cv2.rectangle(picture, (x - 2, y - height - 3), (x + width + 2, y + 4), BAR, cv2.FILLED)
            cv2.putText(picture, mark.label, (x, y), FONT, size, colour, 1, cv2.LINE_AA)
    return picture


def _moved(marks: Sequence[Mark], geometry: Geometry) -> list[Mark]:
    """Native marks in the prepared view."""
    if not marks:
        return []
    boxes: Boxes = geometry.to_prepared(np.array([m[:4] for m in marks], np.float64))
    return [
        Mark(float(x0), float(y0), float(x1), float(y1), mark.label)
        for (x0, y0, x1, y1), mark in zip(boxes, marks, strict=True)
    ]


def _crop_outline(prepared: Prepared) -> Boxes:
    """The crop in native pixels: x0, y0, x1, y1."""
    rows, columns = prepared.content
    outline: Boxes = prepared.geometry.to_native(np.array([[0.0, 0.0, columns, rows]]))[0]
    return outline


def _captioned(picture: Picture, caption: Sequence[str]) -> Picture:
    """The picture over a bar with a line of text for each string."""
    if not caption:
        return picture
    bar = np.full((BAR_HEIGHT * len(caption) + 10, picture.shape[1], 3), BAR, np.uint8)
    for nth, line in enumerate(caption):
        y = BAR_HEIGHT * nth + 28
        cv2.putText(bar, line, (14, y), FONT, 0.62, INK, 1, cv2.LINE_AA)
    return np.vstack([picture, bar])
