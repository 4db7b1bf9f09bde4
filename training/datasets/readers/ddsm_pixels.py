"""DDSM's pixels: lossless JPEG or what its old codec makes of it, and grey level to density.

Films are handed out as `NAME.LJPEG`, by Stanford's PVRG-JPEG. They are decoded here by two decoders
that know nothing of each other, and refused where these differ; the old codec itself (`jpeg -d -s`)
writes `NAME.LJPEG.1`: two bytes a pixel, most significant first, no header. Rows and columns come
from the .ics: those in the LJPEG can be swapped, and then only their order is wrong.

Calibrations, by digitiser and site: the DDSM utilities' ddsmraw2pnm.c, which takes log10 where the
table that goes with it writes log.
"""

import gzip
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from mammo import codestream
from mammo.pixel_error import PixelError
from mammo.pixel_format import MAX_PIXELS
from training.datasets.collection import DatasetError
from training.datasets.record import Record

RAW, ENCODED, GZIPPED = ".LJPEG.1", ".LJPEG", ".LJPEG.gz"
HEADER = 1 << 16  # bytes in which size and depth stand
LARGEST = 1 << 27  # bytes of a compressed film: the largest film raw has half of them
MOST = 4.0  # optical density; film base and fog lie near 0.2
Gray = NDArray[np.uint8]
BITS = {"DBA": 16, "HOWTEK": 12, "LUMISYS": 12}
SPACING = {"DBA": 42.0, "HOWTEK": 43.5, "LUMISYS": 50.0}  # micron
CALIBRATED = ("DBA/A", "HOWTEK/A", "HOWTEK/D", "LUMISYS/B", "LUMISYS/C")  # digitiser / site


def is_film(path: Path) -> bool:
    """Whether a file is one of DDSM's, compressed or as the old codec writes it."""
    return path.name.endswith((RAW, ENCODED, GZIPPED))


def optical_density(grey_levels: NDArray[np.uint16], device: str) -> NDArray[np.float64]:
    """Optical density, 0 to 4, of grey levels; `device` is one of CALIBRATED.

    Dense tissue lets little light through when it is irradiated, so it is bright: low density.
    Raises ValueError for a device without calibration.
    """
    grey = grey_levels.astype(np.float64)
    match device:
        case "DBA/A":
            density = (np.log10(np.maximum(grey, 1.0)) - 4.80662) / -1.07553
        case "HOWTEK/A":
            density = 3.789 - 0.00094568 * grey
        case "HOWTEK/D":
            density = 3.96604 - 0.00099055807612 * grey
        case "LUMISYS/B" | "LUMISYS/C":
            density = (grey - 4096.99) / -1009.01
        case _:
            raise ValueError(f"no calibration is known for {device!r}")
    clipped: NDArray[np.float64] = np.clip(density, 0.0, MOST)
    return clipped


def encoded_size(path: Path) -> tuple[int, int] | None:
    """Rows and columns as a compressed file has them; None where it says none of one channel."""
    try:
        stream = codestream.look(memoryview(_bytes(path, HEADER)), codestream.Family.JPEG)
    except (PixelError, DatasetError):
        return None
    return (stream.rows, stream.columns) if stream.samples == 1 else None


def levels(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Grey levels (rows, columns) of a film; raises DatasetError for another size or no film."""
    return _raw(path, size) if path.name.endswith(RAW) else _decoded(path, size)


def _decoded(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """By two decoders: films that neither was written for are not to be trusted to one."""
    there = encoded_size(path)
    if there is None:
        raise DatasetError(f"{path} is no lossless JPEG: decode it with `jpeg -d -s`.")
    # Before a decoder allocates what the file declares.
    if there[0] * there[1] != size[0] * size[1] or there[0] * there[1] > MAX_PIXELS:
        raise DatasetError(
            f"{path} holds {there[0]} x {there[1]} pixels, not the {size[0]} x {size[1]} of the .ics."
        )
    data = _bytes(path, LARGEST)
    try:
        first: NDArray[Any] = imagecodecs.ljpeg_decode(data)
        second: NDArray[Any] = imagecodecs.jpegsof3_decode(data)
    except (ValueError, RuntimeError, OSError):
        raise DatasetError(f"{path} cannot be decoded: try `jpeg -d -s` on it.") from None
    if first.shape != there or not np.array_equal(first, second):
        raise DatasetError(f"{path} is decoded otherwise by every codec: use `jpeg -d -s`.")
    return np.ascontiguousarray(first.reshape(size), np.uint16)


def _bytes(path: Path, most: int) -> bytes:
    """The first bytes of a file, expanded if it is gzipped."""
    try:
        with gzip.open(path) if path.name.endswith(GZIPPED) else path.open("rb") as file:
            return bytes(file.read(most))
    except (OSError, EOFError, zlib.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else "broken gzip"
        raise DatasetError(f"{path} cannot be read: {said}.") from None


def _raw(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    rows, columns = size
    data = _bytes(path, 2 * rows * columns + 1)
    if len(data) != 2 * rows * columns:
        there = path.stat().st_size
        raise DatasetError(f"{path} holds {there} bytes, not the {rows} x {columns} of the .ics.")
    return np.frombuffer(data, ">u2").reshape(rows, columns).astype(np.uint16)


def gray(record: Record) -> Gray:
    """255 times (1 - optical density / 4), (rows, columns).

    Raises DatasetError for a broken file or a digitiser without calibration.
    """
    if record.file is None or record.size is None:
        raise DatasetError(f"{record.image} has no file.")
    try:
        density = optical_density(levels(record.file, record.size), record.device or "")
    except ValueError as error:
        raise DatasetError(f"{record.file}: {error}.") from None
    return np.rint(255.0 * (1.0 - density / MOST)).astype(np.uint8)
