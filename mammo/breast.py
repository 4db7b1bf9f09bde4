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
PADDING = 3  # gray levels that compression leaves in black padding
FRAME_GRAY = 225  # film's white frames; a chest wall column is rarely so bright throughout
FRAME_SHARE = 0.5  # of a line that is frame, for it to be cut off
FRAME_DEPTH = 0.15  # of the picture that frames can take from one side
EDGE = 0.03  # share of the breast's columns in which the chest wall shows
CLEAR = 2.0  # how much more breast one edge must hold for the side to be clear
SKIN = 24.0  # gray at which skin begins over a black background (fitted to 66 films, like FOG)
FOG = 0.2  # by how much of its own gray a brighter background raises that
BLACK = 4.0  # gray levels above the background that are no longer the background's own
RIM = 4  # thumbnail pixels: this far inside, a sharp outline has become tissue
SHARP = 5.0  # how much brighter than at the outline it is there
NOISE = 7.0  # gray levels above the background that are no skin yet
FAINT = 0.35  # of the way from background to middle gray, if the whole image is dark
DARK = 100  # gray: a background is darker, unless the image is inverted
PEAK = 0.25  # of the highest peak
FLAT = 6  # gray levels that a background wavers
WIDE = 0.15  # share of the image that a background fills at least
BRIGHT = 190  # no background is that bright unless it is inverted
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
    field: Box  # of the thumbnail: what was exposed, without frames and padding
    step: int  # native pixels per thumbnail pixel


def find(gray: Gray) -> Breast:
    """The breast in a displayed image (rows, columns), 0 black.

    Always answers: without a breast `share` is close to zero, and the box may be everything.
    """
    step = max(1, -(-max(gray.shape) // THUMBNAIL))
    small = np.asarray(cv2.GaussianBlur(gray[::step, ::step], (5, 5), 0), np.uint8)
    field = _field(small)
    inner = small[field.y0 : field.y1, field.x0 : field.x1]
    mask = np.zeros(small.shape, np.bool_)
    found = _breast(inner)
    mask[field.y0 : field.y1, field.x0 : field.x1] = found
    side, clear = _side(found)
    box = _bounds(mask)
    rows, columns = gray.shape
    native = Box(
        box.x0 * step, box.y0 * step, min(box.x1 * step, columns), min(box.y1 * step, rows)
    )
    return Breast(native, side, clear, float(mask.mean()), _inverted(small), mask, field, step)


def _bounds(mask: Mask) -> Box:
    """The mask's extent; everything if it is empty."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return Box(0, 0, mask.shape[1], mask.shape[0])
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _field(small: Gray) -> Box:
    """The exposed field: without padding that is black throughout, without white frames."""
    outer = _bounds(small > int(small.min()) + PADDING)
    x0, y0, x1, y1 = outer
    for _ in range(2):  # a frame on one side hides part of one on another
        part = small[y0:y1, x0:x1]
        left, right = _frame(part)
        top, bottom = _frame(part.T)
        x0, x1, y0, y1 = x0 + left, x1 - right, y0 + top, y1 - bottom
    return Box(x0, y0, x1, y1)


def _frame(part: Gray) -> tuple[int, int]:
    """How many columns of white frame stand at the left and at the right."""
    if not part.size or part.max() < FRAME_GRAY:
        return 0, 0
    white = (part >= FRAME_GRAY).mean(axis=0) >= FRAME_SHARE
    reach = int(len(white) * FRAME_DEPTH)
    left, right = np.flatnonzero(white[:reach]), np.flatnonzero(white[::-1][:reach])
    blur = 2  # the frame's blurred edge
    return (
        int(left[-1]) + 1 + blur if len(left) else 0,
        int(right[-1]) + 1 + blur if len(right) else 0,
    )


def _histogram(gray: Gray) -> NDArray[np.float32]:
    """Pixels of each gray, (256,); OpenCV counts eight times as fast as numpy."""
    counts = cv2.calcHist([np.ascontiguousarray(gray)], [0], None, [256], [0, 256])
    return np.asarray(counts, np.float32).ravel()


def _background(inner: Gray) -> int:
    """The darkest peak of the histogram that is no ripple: a fatty breast can have a higher one."""
    counts = _histogram(inner)[:DARK]
    around = cv2.dilate(counts, np.ones((2 * FLAT + 1, 1), np.uint8)).ravel()
    peaks = np.flatnonzero((counts == around) & (counts >= PEAK * counts.max()))
    return int(peaks[0])


def _breast(inner: Gray) -> Mask:
    """The breast in the field: brighter than the background and its scatter.

    A machine that blackens the background leaves an outline that is sharp: what lies just inside
    of anything brighter than black is as bright as skin already, and darker tissue further in is
    no background. Film scatters light, and there skin begins at a gray of its own.
    """
    background = _background(inner)
    middle, _ = cv2.threshold(inner, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    faint = background + FAINT * (middle - background)
    skin = min(max(SKIN + FOG * background, background + NOISE), faint)
    widest = _component(inner > min(background + BLACK, skin))
    edge, deeper = _rim(inner, widest, 0), _rim(inner, widest, RIM)
    if deeper > skin and deeper - background > SHARP * (edge - background):
        return widest
    found = _component(inner > skin)
    if not _at_an_edge(found):  # what was found is gland, and the fat around it is dim
        wider = _component(inner > min(background + NOISE, skin))
        return wider if _at_an_edge(wider) else found
    return found


def _at_an_edge(mask: Mask) -> bool:
    """Whether it reaches the left or the right of the field, as a breast does."""
    return bool(mask[:, :RIM].any() or mask[:, -RIM:].any())


def _rim(inner: Gray, mask: Mask, depth: int) -> float:
    """The median gray of the two pixels at `depth` inside of an outline; 0 if there are none."""
    ring = _eroded(mask, depth) & ~_eroded(mask, depth + 2)
    return float(np.median(inner[ring])) if ring.any() else 0.0


def _eroded(mask: Mask, depth: int) -> Mask:
    """Without the outermost pixels, but for those along the picture's edge."""
    if not depth:
        return mask
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * depth + 1, 2 * depth + 1))
    return np.asarray(cv2.erode(mask.astype(np.uint8), disk), np.bool_)


def _component(bright: Mask) -> Mask:
    """The largest piece without thin bridges, its holes filled; empty if all is thin."""
    size = max(3, int(min(bright.shape) * OPENING) | 1)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    # mirrored borders: the breast is not eaten away along the chest wall, a thin frame is
    wide = cv2.copyMakeBorder(bright.astype(np.uint8), size, size, size, size, cv2.BORDER_REFLECT)
    opened = cv2.morphologyEx(wide, cv2.MORPH_OPEN, disk)[size:-size, size:-size]
    pieces = np.ascontiguousarray(opened, np.uint8)
    filled, outlines = _filled(pieces)
    if not outlines:  # lines and letters only
        return np.zeros(bright.shape, np.bool_)
    if outlines > 1 or cv2.countNonZero(filled) != cv2.countNonZero(pieces):
        # More than one piece, or one within another: counting them takes as long as all the rest.
        _, labels, stats, _ = cv2.connectedComponentsWithStats(pieces)
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        filled, _ = _filled((labels == largest).astype(np.uint8))
    # subsampling and opening have taken a pixel of skin
    mask: Mask = cv2.dilate(filled, np.ones((3, 3), np.uint8)).astype(np.bool_)
    return mask


def _filled(pieces: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Pieces with their holes filled, and how many outlines they have."""
    outlines, _ = cv2.findContours(pieces, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(pieces), outlines, -1, 1, cv2.FILLED)
    return np.asarray(filled, np.uint8), len(outlines)


def _side(mask: Mask) -> tuple[Side, bool]:
    """Where the chest wall is: the end of the breast that is cut off straight, not round."""
    box = _bounds(mask)
    part = mask[:, box.x0 : box.x1]
    outer = max(1, round(part.shape[1] * EDGE))
    left, right = float(part[:, :outer].mean()), float(part[:, -outer:].mean())
    side: Side = "left" if left >= right else "right"
    return side, max(left, right) > CLEAR * min(left, right)


def _inverted(small: Gray) -> bool:
    """Whether the background, the widest flat gray, is bright and brighter than the rest."""
    near = np.convolve(_histogram(small), np.ones(2 * FLAT + 1), "same")
    background = int(near.argmax())
    if background < BRIGHT or near[background] < WIDE * small.size:
        return False
    rest = small[np.abs(small.astype(np.int16) - background) > FLAT]
    return bool(rest.size and background > np.median(rest))
