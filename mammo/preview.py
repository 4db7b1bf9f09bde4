"""A mammogram for a reader's screen: full depth, upright, and nothing outside of the breast.

Samples are stored values, so that window and level act on what the machine measured; how they
become grey stands beside them (PS3.3 C.11.1, C.11.2). Letters, labels and names lie outside of
the breast and are taken away; what lies on the breast itself stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo import breast, voi
from mammo.breast import Gray, Mask
from mammo.decode import Decoded, Stored
from mammo.prepare import HUGE, OPPOSITE_SIDE, TINY, read_hanging
from mammo.views import Laterality

Samples = NDArray[np.uint16]  # (rows, columns): 0 is shown black, n is the (n - 1)th stored value

OVERVIEW = 1400  # pixels of its longer side at most: four views fill a screen of 2560 x 2880
TILE = 1024  # native pixels
MARGIN = 8  # thumbnail pixels around the breast, 4 mm: the outline may have taken a bit of skin
DEEPEST = (1 << 16) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """One image as it hangs: turned and mirrored as the header says."""

    samples: Samples  # native resolution
    quarter_turns: int  # counter-clockwise, of the stored image
    mirrored: bool  # after turning
    native_shape: tuple[int, int]  # rows and columns as stored
    first: int  # the stored value of sample 1
    slope: float | None  # from stored value to modality value; None: by a table
    intercept: float
    window: voi.Window | None  # None: a LUT, or a modality table, gives the grey
    table: NDArray[np.uint16]  # grey of sample 1, 2, ..., 0 black; empty with a window
    inverted: bool  # with a window: low values are bright
    explanation: str
    withheld: bool  # no breast was found: what the image shows is not known, and not shown

    @property
    def factor(self) -> int:
        """Native pixels in a pixel of the overview, each way."""
        longest: int = max(self.samples.shape)
        return -(-longest // OVERVIEW)

    def overview(self) -> Samples:
        """The means of what is not black, at most `OVERVIEW` long."""
        return _reduced(self.samples, self.factor)

    def tiles(self) -> Iterator[tuple[int, int, Samples]]:
        """Row, column and samples of each native tile that holds something."""
        rows, columns = self.samples.shape
        for top in range(0, rows, TILE):
            for left in range(0, columns, TILE):
                tile = self.samples[top : top + TILE, left : left + TILE]
                if tile.any():
                    yield top // TILE, left // TILE, tile


def preview(decoded: Decoded, laterality: Laterality | None) -> Preview:
    """A decoded image as it is meant to be seen, the chest wall where its side hangs."""
    rendering = voi.render(decoded.header, decoded.pixels)
    gray = voi.in_gray(rendering).apply(decoded.pixels)
    hanging = read_hanging(decoded.header, laterality)
    turns = hanging.quarter_turns
    wall = hanging.by_orientation
    mirrored = wall is not None and hanging.by_laterality == OPPOSITE_SIDE[wall]
    upright = np.ascontiguousarray(np.rot90(gray, turns))
    mask = outside(upright)
    values = np.rot90(_samples(decoded.pixels, rendering), turns).copy()
    if mask is None:
        values[:] = 0
    else:
        values[mask] = 0
    if mirrored:
        values = np.asarray(cv2.flip(values, 1), np.uint16)
    line = _line(rendering)
    window = rendering.chosen.window if line else None
    return Preview(
        samples=values,
        quarter_turns=turns,
        mirrored=mirrored,
        native_shape=(gray.shape[0], gray.shape[1]),
        first=int(rendering.stored[0]),
        slope=line[0] if line else None,
        intercept=line[1] if line else 0.0,
        window=window,
        table=_table(rendering) if window is None else np.zeros(0, np.uint16),
        inverted=rendering.inverted,
        explanation=rendering.chosen.explanation,
        withheld=mask is None,
    )


def outside(gray: Gray) -> Mask | None:
    """What lies outside of the breast in a displayed image; None: there is no breast."""
    found = breast.find(gray)
    if found.inverted:  # the header may be wrong about what is black
        found = breast.find(255 - gray)
    if found.share < TINY:
        return None
    if found.share > HUGE:
        return np.zeros(gray.shape, np.bool_)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN + 1, 2 * MARGIN + 1))
    wide = np.zeros(found.mask.shape, np.uint8)
    x0, y0, x1, y1 = found.field  # beyond it lie frames, on which labels stick
    wide[y0:y1, x0:x1] = cv2.dilate(found.mask.astype(np.uint8), disk)[y0:y1, x0:x1]
    whole = wide.repeat(found.step, 0).repeat(found.step, 1)[: gray.shape[0], : gray.shape[1]]
    return np.asarray(whole == 0, np.bool_)


def _samples(pixels: Stored, rendering: voi.Rendering) -> Samples:
    first = int(rendering.stored[0])
    table = np.zeros(1 << 16, np.uint16)
    table[rendering.stored & DEEPEST] = np.minimum(rendering.stored - first + 1, DEEPEST)
    table[rendering.stored[rendering.padded] & DEEPEST] = 0
    return np.asarray(table[pixels.view(np.uint16)], np.uint16)


def _line(rendering: voi.Rendering) -> tuple[float, float] | None:
    """Slope and intercept of the modality transform, where it is a line."""
    stored, values = rendering.stored.astype(np.float64), rendering.values
    slope = (values[-1] - values[0]) / (stored[-1] - stored[0])
    intercept = values[0] - slope * stored[0]
    straight = np.allclose(stored * slope + intercept, values, atol=1e-6 * np.ptp(values) + 1e-9)
    return (float(slope), float(intercept)) if straight and slope else None


def _table(rendering: voi.Rendering) -> NDArray[np.uint16]:
    """The grey of each stored value in 16 bits."""
    output = 1 - rendering.chosen.output if rendering.inverted else rendering.chosen.output
    return np.asarray(np.rint(output * DEEPEST), np.uint16)


def _reduced(samples: Samples, factor: int) -> Samples:
    """Means over `factor` x `factor` pixels; half or more of them black is black."""
    if factor == 1:
        return samples
    rows, columns = (-(-n // factor) for n in samples.shape)
    padded = np.zeros((rows * factor, columns * factor), np.uint16)
    padded[: samples.shape[0], : samples.shape[1]] = samples
    cells = padded.reshape(rows, factor, columns, factor)
    total = cells.sum((1, 3), dtype=np.uint32)
    count = np.count_nonzero(cells, (1, 3)).astype(np.uint32)
    mean = (total + count // 2) // np.maximum(count, 1)
    return np.where(2 * count >= factor * factor, mean, 0).astype(np.uint16)
