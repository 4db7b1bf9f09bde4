"""The pixels of a record, and the same preparation for every kind of file.

Training, `nightread data check` and the night's job see one geometry: DICOM goes through
`mammo.prepare.prepare`, all else through `mammo.prepare.prepare_gray`.
"""

import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mammo import plausible, voi
from mammo.decode import Decoded, PixelError, decode
from mammo.prepare import Preparation, Prepared, prepare, prepare_gray
from training.datasets.collection import DatasetError
from training.datasets.outlines import Mask, Outline, contour
from training.datasets.readers import ddsm_pixels
from training.datasets.readers.files import DICOM
from training.datasets.record import Record

Gray = NDArray[np.uint8]


def gray(record: Record) -> Gray:
    """The image as a person sees it, (rows, columns), 0 black.

    Raises DatasetError for a file that is missing or broken.
    """
    if record.file is None:
        raise DatasetError(f"{record.image} has no file.")
    if record.file.suffix.lower() == DICOM:
        decoded = _decoded(record.file, half=False)
        return voi.choose(decoded.header, decoded.pixels).apply(decoded.pixels)
    if ddsm_pixels.is_film(record.file):
        return ddsm_pixels.gray(record)
    return picture(record.file)


def picture(path: Path) -> Gray:
    """A JPEG, WebP, PNG, PGM or TIFF file as it is stored: no EXIF turns it. 16 bits become 8.

    Raises DatasetError for a file that is broken or ends too early.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a picture that is large
            with Image.open(path) as image:
                image.draft("L", image.size)  # of a JPEG in colour: its own luminance
                if image.mode.startswith("I"):
                    return np.asarray(np.asarray(image).astype(np.uint32) >> 8, np.uint8)
                return np.asarray(image.convert("L"), np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        raise DatasetError(f"{path} cannot be read as a picture.") from None


def prepared(
    record: Record, preparation: Preparation, shape: tuple[int, int] | None = None
) -> Prepared:
    """A record's image as a model sees it; `shape`: rows, columns to stretch to first.

    Raises DatasetError for a file that is missing or broken.
    """
    if record.file is not None and record.file.suffix.lower() == DICOM and shape is None:
        decoded = _decoded(record.file, half=preparation.half_jpeg_2000)
        return prepare(decoded, record.laterality, preparation)
    native = gray(record)
    if shape is not None:
        native = np.asarray(cv2.resize(native, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return prepare_gray(native, preparation, record.laterality)


def _decoded(path: Path, *, half: bool) -> Decoded:
    try:
        decoded = decode(path.read_bytes(), half=half)
        plausible.check(decoded.pixels)
    except PixelError as error:
        raise DatasetError(f"{path}: {error.reason}, {error.detail}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    return decoded


def corners(outline: Outline) -> list[NDArray[np.float64]]:
    """An outline's closed contours, (n, 2) each, in pixels of its image; of a mask its own.

    Raises DatasetError for a mask that cannot be read.
    """
    if not isinstance(outline, Mask):
        return [contour(outline)]
    mask = mask_pixels(outline)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # OpenCV gives the middles of border pixels, counted from 0.
    return [np.asarray(one, np.float64).reshape(-1, 2) + 0.5 for one in found]


def mask_pixels(mask: Mask) -> Gray:
    """0 or 1, (rows, columns) of its image. Raises DatasetError for a file that cannot be read."""
    if mask.file.suffix.lower() == DICOM:
        try:
            stored = decode(mask.file.read_bytes()).pixels != 0
        except (PixelError, OSError):
            raise DatasetError(f"{mask.file} cannot be read as a mask.") from None
    else:
        stored = picture(mask.file) != 0
    pixels = np.asarray(stored, np.uint8)
    if mask.size is None:
        return pixels
    return np.asarray(
        cv2.resize(pixels, mask.size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8
    )
