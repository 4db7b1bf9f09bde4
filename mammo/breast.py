"""Where the breast lies in a displayed mammogram.

Made for what archives hold: non-zero film background, white frames and bands, lead letters,
paper labels and tape, black padding around a film, an arm or a fold in the corner. Works on a
thumbnail; no step reads more than one native pixel in `step` x `step`.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Side = Literal["left", "right"]

THUMBNAIL = 480  # pixels on the long side: 0.5 mm or so, less than the skin is thick
FRAME_GRAY = 225  # film's white frames; a chest wall column is rarely so bright throughout
FRAME_SHARE = 0.5  # of a line that is frame, for it to be cut off
FRAME_DEPTH = 0.15  # of the picture that frames can take from one side
EDGE = 0.03  # share of the columns in which the chest wall shows
CLEAR = 2.0  # how much more breast one edge must hold for the side to be clear
SKIN = 0.16  # of the way from background to middle gray: where skin ends
FLAT = 6  # gray levels that a background wavers
OPENING = 0.05  # of the picture's short side: thinner bridges to labels are cut


class Box(NamedTuple):
    """Half-open, in pixels: columns x0 to x1, rows y0 to y1."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True, eq=False)
class Breast:
    """The breast in an image."""

    box: Box  # native pixels
    side: Side  # of the image, where the chest wall lies
    side_clear: bool
    share: float  # of the image's area
    inverted: bool  # the flat background is brighter than the rest
    mask: Mask  # of the thumbnail
    step: int  # native pixels per thumbnail pixel


def find(gray: Gray) -> Breast:
    """The breast in a displayed image (rows, columns), 0 black.

    Always answers: an image without a breast gives a box that holds what is brightest; `share`
    tells (see REVIEW_NO_BREAST).
    """
    step = max(1, -(-max(gray.shape) // THUMBNAIL))
    small = np.asarray(cv2.GaussianBlur(gray[::step, ::step], (5, 5), 0), np.uint8)
    field = _field(small)
    inner = small[field.y0 : field.y1, field.x0 : field.x1]
    mask = np.zeros(small.shape, np.bool_)
    found = _component(_bright(inner))
    mask[field.y0 : field.y1, field.x0 : field.x1] = found
    side, clear = _side(found)
    box = _bounds(mask)
    rows, columns = gray.shape
    native = Box(
        box.x0 * step, box.y0 * step, min(box.x1 * step, columns), min(box.y1 * step, rows)
    )
    return Breast(native, side, clear, float(mask.mean()), _inverted(inner), mask, step)


def _bounds(mask: Mask) -> Box:
    """The mask's extent; everything if it is empty."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return Box(0, 0, mask.shape[1], mask.shape[0])
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _field(small: Gray) -> Box:
    """The exposed field: without padding that is black throughout, without white frames."""
    outer = _bounds(small > small.min())
    x0, y0, x1, y1 = outer
    for _ in range(2):  # a frame on one side hides part of one on another
        part = small[y0:y1, x0:x1]
        left, right = _frame(part)
        top, bottom = _frame(part.T)
        x0, x1, y0, y1 = x0 + left, x1 - right, y0 + top, y1 - bottom
    return Box(x0, y0, x1, y1)


def _frame(part: Gray) -> tuple[int, int]:
    """How many columns of white frame stand at the left and at the right."""
    white = (part >= FRAME_GRAY).mean(axis=0) >= FRAME_SHARE
    reach = int(len(white) * FRAME_DEPTH)
    left, right = np.flatnonzero(white[:reach]), np.flatnonzero(white[::-1][:reach])
    blur = 2  # the frame's blurred edge
    return (
        int(left[-1]) + 1 + blur if len(left) else 0,
        int(right[-1]) + 1 + blur if len(right) else 0,
    )


def _bright(inner: Gray) -> Mask:
    """What is brighter than the background and its scatter."""
    background = int(np.bincount(inner.ravel(), minlength=256)[:100].argmax())
    middle, _ = cv2.threshold(inner, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    found: Mask = inner > background + max(4.0, SKIN * (middle - background))
    return found


def _component(bright: Mask) -> Mask:
    """The piece that is the breast, its holes filled."""
    size = max(3, int(min(bright.shape) * OPENING) | 1)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    # replicated borders: the breast must not be eaten away along the chest wall
    wide = cv2.copyMakeBorder(bright.astype(np.uint8), size, size, size, size, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(wide, cv2.MORPH_OPEN, disk)[size:-size, size:-size]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(opened))
    if count < 2:
        return bright
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = (labels == largest).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(piece), outlines, -1, 1, cv2.FILLED)
    mask: Mask = filled.astype(np.bool_)
    return mask


def _side(mask: Mask) -> tuple[Side, bool]:
    """Where the chest wall is: the edge of the field that holds more breast."""
    outer = max(1, round(mask.shape[1] * EDGE))
    left, right = float(mask[:, :outer].mean()), float(mask[:, -outer:].mean())
    side: Side = "left" if left >= right else "right"
    return side, max(left, right) > CLEAR * min(left, right)


def _inverted(inner: Gray) -> bool:
    """Whether the flattest edge, which is background, is brighter than what differs from it."""
    outer = max(1, round(inner.shape[1] * EDGE))
    flattest, background = 0.0, 0
    for edge in (inner[:, :outer], inner[:, -outer:]):
        gray = int(np.median(edge))
        flat = float((np.abs(edge.astype(np.int16) - gray) <= FLAT).mean())
        if flat > flattest:
            flattest, background = flat, gray
    other = inner[np.abs(inner.astype(np.int16) - background) > FLAT]
    return bool(flattest > 0.5 and len(other) and background > np.median(other))
