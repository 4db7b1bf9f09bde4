"""One decoder for each compressed transfer syntax (PS3.5 annex A), none that guesses a format."""

import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from mammo.codestream import Codestream, Family
from mammo.pixel_format import Format

Codec = Callable[[memoryview], NDArray[Any]]

RLE = "1.2.840.10008.1.2.5"


class Syntax(NamedTuple):
    """How frames of a transfer syntax are read."""

    codec: str
    family: Family
    decode: Codec
    lossy: bool
    half: Callable[[Codestream], NDArray[Any]] | None = None  # the first wavelet level left out


_codecs: Any = imagecodecs  # its stubs leave out that buffers may be memoryviews


def _jpeg_2000(frame: memoryview) -> NDArray[Any]:
    pixels: NDArray[Any] = _codecs.jpeg2k_decode(frame, numthreads=1)
    return pixels


def _jpeg_2000_half(stream: Codestream) -> NDArray[Any]:
    """By Pillow, as OpenJPEG's other wrappers do not pass its resolution on.

    It returns 8 or 16 bits, unsigned, the samples in the highest ones.
    """
    image = Jpeg2KImageFile(BytesIO(stream.data))
    image.reduce = 1
    wide: NDArray[Any] = np.asarray(image)
    samples = wide >> (8 * wide.itemsize - stream.precision)
    return samples.astype(np.int32) - (1 << stream.precision - 1) if stream.signed else samples


def _htj2k(frame: memoryview, levels_left_out: int | None = None) -> NDArray[Any]:
    """By OpenJPH, whose wrapper drops errors and returns what was decoded until then."""
    dropped: list[object] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda report: dropped.append(report.exc_type)
    try:
        pixels: NDArray[Any] = _codecs.htj2k_decode(frame, skipres=levels_left_out)
    finally:
        sys.unraisablehook = before
    if dropped:
        raise ValueError
    return pixels


_JPEG = Syntax("jpeg8", Family.JPEG, _codecs.jpeg8_decode, lossy=False)
_LS = Syntax("jpegls", Family.JPEG_LS, _codecs.jpegls_decode, lossy=False)
_J2K = Syntax("jpeg2k", Family.JPEG_2000, _jpeg_2000, lossy=False, half=_jpeg_2000_half)
_HT = Syntax(
    *("htj2k", Family.JPEG_2000, _htj2k), lossy=False, half=lambda stream: _htj2k(stream.data, 1)
)

COMPRESSED = {
    "1.2.840.10008.1.2.4.50": _JPEG._replace(lossy=True),
    "1.2.840.10008.1.2.4.51": _JPEG._replace(lossy=True),
    "1.2.840.10008.1.2.4.57": _JPEG,
    "1.2.840.10008.1.2.4.70": _JPEG,
    "1.2.840.10008.1.2.4.80": _LS,
    "1.2.840.10008.1.2.4.81": _LS._replace(lossy=True),
    "1.2.840.10008.1.2.4.90": _J2K,
    "1.2.840.10008.1.2.4.91": _J2K._replace(lossy=True),
    "1.2.840.10008.1.2.4.201": _HT,
    "1.2.840.10008.1.2.4.202": _HT,
    "1.2.840.10008.1.2.4.203": _HT._replace(lossy=True),
}


def rle(frame: memoryview, form: Format) -> NDArray[Any]:
    """Words (rows, columns); raises whatever the codec raises, ValueError if they are too few."""
    kind = np.dtype("<u2") if form.allocated == 16 else np.dtype("u1")
    plain = _codecs.dicomrle_decode(frame, kind)
    size = form.rows * form.columns * kind.itemsize
    return np.frombuffer(plain, kind, count=size // kind.itemsize).reshape(form.rows, form.columns)
