"""A preview as it is kept and sent: named parts, each compressed, that a browser unpacks.

Browsers show PNG of 16 bits with eight, so samples go as they are: differences along the row,
folded so that small ones are small numbers, low bytes before high bytes, gzip. The overview
begins with what the viewer must know of the image; tiles are samples alone.
"""

import gzip
import json
import struct
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mammo.preview import TILE, Preview, Samples

VERSION = "1"  # of what is said here: part of the keys under which previews are kept
OVERVIEW = "overview"
LENGTH = struct.Struct("<I")  # bytes of JSON before the overview's samples
LEVEL = 1  # of compression: three times as fast as 6, a tenth larger

Pixels = Annotated[int, Field(ge=1, le=65_535)]


class WindowOf(BaseModel):
    """PS3.3 C.11.2.1.2: a window of modality values."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    function: str = Field(pattern="^(LINEAR|LINEAR_EXACT|SIGMOID)$")
    center: float
    width: float = Field(gt=0)


class About(BaseModel):
    """What a viewer must know of an image, beside its samples."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rows: Pixels  # as it hangs, native resolution
    columns: Pixels
    factor: Pixels  # native pixels in a pixel of the overview
    tile: Pixels
    tiles: list[tuple[int, int]]  # row, column; the others are black
    native_shape: tuple[Pixels, Pixels]  # as stored
    quarter_turns: int = Field(ge=0, le=3)
    mirrored: bool
    first: int
    slope: float | None
    intercept: float
    window: WindowOf | None
    table: list[int] = Field(max_length=1 << 16)
    inverted: bool
    explanation: str = Field(max_length=64)
    withheld: bool


class Part(NamedTuple):
    """What is asked for at once."""

    name: str  # `overview` or `tile-ROW-COLUMN`
    body: bytes  # gzip


def parts(preview: Preview) -> Iterator[Part]:
    """All parts of a preview, the overview first."""
    tiles = list(preview.tiles())
    overview = preview.overview()
    about = About(
        rows=preview.samples.shape[0],
        columns=preview.samples.shape[1],
        factor=preview.factor,
        tile=TILE,
        tiles=[(row, column) for row, column, _ in tiles],
        native_shape=preview.native_shape,
        quarter_turns=preview.quarter_turns,
        mirrored=preview.mirrored,
        first=preview.first,
        slope=preview.slope,
        intercept=preview.intercept,
        window=WindowOf(**preview.window._asdict()) if preview.window else None,
        table=preview.table.tolist(),
        inverted=preview.inverted,
        explanation=preview.explanation[:64],
        withheld=preview.withheld,
    )
    head = json.dumps(about.model_dump(), separators=(",", ":")).encode()
    head += b" " * (-(LENGTH.size + len(head)) % 4)
    yield Part(OVERVIEW, _zipped(LENGTH.pack(len(head)) + head + packed(overview)))
    for row, column, samples in tiles:
        yield Part(f"tile-{row}-{column}", _zipped(packed(samples)))


def packed(samples: Samples) -> bytes:
    """Differences along each row, signs folded in, the low bytes before the high ones."""
    before = np.zeros_like(samples)
    before[:, 1:] = samples[:, :-1]
    change = (samples - before).view(np.int16)
    folded = ((change << 1) ^ (change >> 15)).view(np.uint16)
    return (folded & 0xFF).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def unpacked(data: bytes, rows: int, columns: int) -> Samples:
    """The samples that `packed` was given."""
    planes = np.frombuffer(data, np.uint8).reshape(2, rows, columns).astype(np.uint16)
    folded = planes[0] | planes[1] << 8
    change = (folded >> 1) ^ (0 - (folded & 1))
    return np.cumsum(change, axis=1, dtype=np.uint16)


def opened(overview: bytes) -> tuple[About, Samples]:
    """An overview's two halves, for whoever is no browser."""
    data = gzip.decompress(overview)
    (length,) = LENGTH.unpack_from(data)
    about = About.model_validate_json(data[LENGTH.size : LENGTH.size + length])
    rows, columns = (-(-n // about.factor) for n in (about.rows, about.columns))
    return about, unpacked(data[LENGTH.size + length :], rows, columns)


def _zipped(data: bytes) -> bytes:
    return gzip.compress(data, LEVEL, mtime=0)
