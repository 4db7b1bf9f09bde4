"""DDSM's raw pixels: lossless JPEG of an old codec, decoded elsewhere, and grey level to density.

The codec (Stanford's PVRG-JPEG, `jpeg -d -s`) writes `NAME.LJPEG.1`: two bytes a pixel, most
significant first, no header. Rows and columns come from the .ics: those in the LJPEG can be swapped.

Calibrations, by digitiser and site: the DDSM utilities' ddsmraw2pnm.c, which takes log10 where the
table that goes with it writes log.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets.collection import DatasetError
from training.datasets.record import Record

RAW = ".LJPEG.1"
MOST = 4.0  # optical density; film base and fog lie near 0.2
Gray = NDArray[np.uint8]
BITS = {"DBA": 16, "HOWTEK": 12, "LUMISYS": 12}
SPACING = {"DBA": 42.0, "HOWTEK": 43.5, "LUMISYS": 50.0}  # micron
CALIBRATED = ("DBA/A", "HOWTEK/A", "HOWTEK/D", "LUMISYS/B", "LUMISYS/C")  # digitiser / site


def is_raw(path: Path) -> bool:
    """Whether a file is what the old codec writes."""
    return path.name.endswith(RAW)


def is_encoded(path: Path) -> bool:
    """Whether a file still needs the old codec."""
    return path.name.endswith((".LJPEG", ".LJPEG.gz"))


def optical_density(levels: NDArray[np.uint16], device: str) -> NDArray[np.float64]:
    """Optical density, 0 to 4, of grey levels; `device` is one of CALIBRATED.

    Dense tissue lets little light through when it is irradiated, so it is bright: low density.
    Raises ValueError for a device without calibration.
    """
    grey = levels.astype(np.float64)
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


def read_levels(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Grey levels (rows, columns) of a decoded file; raises DatasetError for another size."""
    rows, columns = size
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) != 2 * rows * columns:
        raise DatasetError(
            f"{path} holds {len(data)} bytes, not the {rows} x {columns} of the .ics."
        )
    return np.frombuffer(data, ">u2").reshape(rows, columns).astype(np.uint16)


def gray(record: Record) -> Gray:
    """255 times (1 - optical density / 4), (rows, columns).

    Raises DatasetError for a broken file or a digitiser without calibration.
    """
    if record.file is None or record.size is None:
        raise DatasetError(f"{record.image} has no file.")
    try:
        density = optical_density(read_levels(record.file, record.size), record.device or "")
    except ValueError as error:
        raise DatasetError(f"{record.file}: {error}.") from None
    return np.rint(255.0 * (1.0 - density / MOST)).astype(np.uint8)
