"""What a header says of its pixels, checked before anything is allocated (PS3.3 C.7.6.3)."""

import warnings
from typing import NamedTuple

from pydicom import Dataset

from mammo.codes import Reason
from mammo.pixel_error import PixelError

MAX_PIXELS = 120_000_000  # the largest real mammogram known has 28 million


class Format(NamedTuple):
    """One grayscale frame, as PS3.3 C.7.6.3.1 describes it."""

    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool


def _integer(header: Dataset, keyword: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = header.get(keyword)
            number = None if value is None else int(value)
        except Exception:  # noqa: BLE001 -- a value that is not valid for its VR raises anything
            raise PixelError(Reason.PIXEL_FORMAT, f"{keyword} is not a number") from None
    if number is None:
        raise PixelError(Reason.MISSING_ATTRIBUTE, f"{keyword} is missing")
    return number


def read(header: Dataset) -> Format:
    """The format of a single grayscale frame.

    Raises PixelError: MISSING_ATTRIBUTE, PIXEL_FORMAT or TOO_LARGE.
    """
    rows, columns = _integer(header, "Rows"), _integer(header, "Columns")
    if rows < 1 or columns < 1:
        raise PixelError(Reason.PIXEL_FORMAT, "Rows or Columns is zero")
    if rows * columns > MAX_PIXELS:
        raise PixelError(Reason.TOO_LARGE, f"more than {MAX_PIXELS // 1_000_000} megapixels")
    if "NumberOfFrames" in header and _integer(header, "NumberOfFrames") != 1:
        raise PixelError(Reason.PIXEL_FORMAT, "not a single frame")
    if _integer(header, "SamplesPerPixel") != 1:
        raise PixelError(Reason.PIXEL_FORMAT, "more than one sample a pixel")
    try:
        photometric = str(header.get("PhotometricInterpretation") or "").strip().upper()
    except Exception:  # noqa: BLE001 -- as above
        photometric = "unreadable"
    if not photometric:
        raise PixelError(Reason.MISSING_ATTRIBUTE, "PhotometricInterpretation is missing")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise PixelError(Reason.PIXEL_FORMAT, "not a grayscale image")
    allocated, stored = _integer(header, "BitsAllocated"), _integer(header, "BitsStored")
    high = _integer(header, "HighBit") if "HighBit" in header else stored - 1
    if allocated not in (8, 16):
        raise PixelError(Reason.PIXEL_FORMAT, "BitsAllocated is neither 8 nor 16")
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise PixelError(Reason.PIXEL_FORMAT, "BitsStored and HighBit do not fit BitsAllocated")
    sign = _integer(header, "PixelRepresentation")
    if sign not in (0, 1):
        raise PixelError(Reason.PIXEL_FORMAT, "PixelRepresentation is neither 0 nor 1")
    return Format(rows, columns, allocated, stored, high, bool(sign))
