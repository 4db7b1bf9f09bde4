"""Pictures that are nearly the same: reduced, compressed again, padded, mirrored.

A picture's fingerprint are the signs of its cosine transform's lower frequencies at 64 x 64
(perceptual hash, Zauner 2010), once of the whole picture and once of what is not dark in it, so
that padding does not matter. Mirroring turns the signs of the odd horizontal frequencies, so that
both states are compared without a second picture.

`LIMIT` was measured on the 1,871 films of mini-MIAS, CDD-CESM, DDSM and CBIS-DDSM: the nine pictures
that stand there twice lie within 0.02 of each other, two films of different views no nearer than
0.18; reduced to a third or compressed at quality 50 none of 233 films was further than 0.03.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels
FREQUENCIES = 24  # in each direction
COARSEST = 3  # frequencies that add up to no more are the same for every breast
DARK = 15  # grey levels: background on every film that was looked at
CONTENT = 0.02  # share of a row or column that must be brighter for it to hold content
LIMIT = 0.1  # share of signs that differ
BLOCK = 512  # pictures compared with all at once

_down, _across = np.mgrid[:FREQUENCIES, :FREQUENCIES]
_KEPT = _down + _across > COARSEST
_MIRROR = np.where(_across[_KEPT] % 2 == 1, -1.0, 1.0).astype(np.float32)

Gray = NDArray[np.uint8]
Signs = NDArray[np.bool_]  # (2, kept frequencies): of the whole, of its content


class Near(NamedTuple):
    """A picture and the earlier one that it is most like."""

    number: int
    like: int
    apart: float  # share of signs that differ
    mirrored: bool


def fingerprint(gray: Gray) -> Signs:
    """Signs of the whole picture and of its content."""
    return np.stack([_signs(gray), _signs(_content(gray))])


def near(prints: Sequence[Signs], limit: float = LIMIT) -> Iterator[Near]:
    """Each picture that is within `limit` of an earlier one."""
    if not prints:
        return
    signs = np.where(np.stack(prints, axis=1), 1, -1).astype(np.float32)  # (2, n, signs)
    for start in range(0, len(prints), BLOCK):
        block = signs[:, start : start + BLOCK]
        before = signs[:, : start + BLOCK]
        as_is, turned = (_nearest(side, before) for side in (block, block * _MIRROR))
        apart = np.minimum(as_is, turned)
        apart[np.arange(apart.shape[1]) >= start + np.arange(apart.shape[0])[:, None]] = np.inf
        for row in np.flatnonzero(apart.min(axis=1) <= limit).tolist():
            like = int(apart[row].argmin())
            mirrored = bool(turned[row, like] < as_is[row, like])
            yield Near(start + row, like, float(apart[row, like]), mirrored)


def _nearest(some: NDArray[np.float32], all_: NDArray[np.float32]) -> NDArray[np.float32]:
    """(some, all): the share of signs that differ, of the whole or of the content."""
    agreeing = np.matmul(some, all_.transpose(0, 2, 1)) / some.shape[2]
    shares: NDArray[np.float32] = (1 - agreeing).min(axis=0) / 2
    return shares


def _content(gray: Gray) -> Gray:
    """Without dark rows and columns around it; the whole picture if all of it is dark."""
    bright = gray > DARK
    rows = np.flatnonzero(bright.mean(axis=1) > CONTENT)
    columns = np.flatnonzero(bright.mean(axis=0) > CONTENT)
    if not len(rows) or not len(columns):
        return gray
    return gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _signs(gray: Gray) -> Signs:
    small = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = np.asarray(cv2.dct(small))[:FREQUENCIES, :FREQUENCIES]
    return np.asarray(waves[_KEPT] > 0)
