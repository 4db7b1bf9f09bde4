"""From the bytes of a DICOM file to its stored pixel values.

imagecodecs does the work in C, without the GIL, one codec for each transfer syntax: none that
guesses a format. What the stream declares is compared with the header before a codec sees it.
Sources: PS3.5 sections 8 and annex A, PS3.3 C.7.6.3.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from mammo import codestream, encapsulation, part10
from mammo.codes import Flag, Reason
from mammo.codestream import Codestream, Family
from mammo.pixel_error import PixelError

__all__ = ["MAX_PIXELS", "Decoded", "PixelError", "decode"]

Stored = NDArray[np.uint16] | NDArray[np.int16]
Codec = Callable[[memoryview], NDArray[Any]]

MAX_PIXELS = 120_000_000  # the largest real mammogram known has 28 million
END = b"\xff\xd9"  # EOI in JPEG, EOC in JPEG 2000; cannot occur in entropy-coded bytes
TAIL = 64  # bytes in which the end marker must lie: some writers pad generously


class Format(NamedTuple):
    """What the header says of the pixels."""

    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool


class Syntax(NamedTuple):
    """How frames of a transfer syntax are read."""

    codec: str
    family: Family
    decode: Codec
    lossy: bool


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """An image as its machine stored it."""

    pixels: Stored  # (rows, columns), masked to Bits Stored, sign extended, contiguous
    header: Dataset  # without pixel data
    flags: tuple[Flag, ...]
    codec: str  # what decoded it, for counting


_codecs: Any = imagecodecs  # its stubs leave out that buffers may be memoryviews


def _jpeg_2000(frame: memoryview) -> NDArray[Any]:
    pixels: NDArray[Any] = _codecs.jpeg2k_decode(frame, numthreads=1)
    return pixels


_JPEG = Syntax("jpeg8", Family.JPEG, _codecs.jpeg8_decode, lossy=False)
_LS = Syntax("jpegls", Family.JPEG_LS, _codecs.jpegls_decode, lossy=False)
_J2K = Syntax("jpeg2k", Family.JPEG_2000, _jpeg_2000, lossy=False)
_HT = Syntax("htj2k", Family.JPEG_2000, _codecs.htj2k_decode, lossy=False)

RLE = "1.2.840.10008.1.2.5"
NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    part10.BIG_ENDIAN,
    part10.DEFLATED,
    None,  # not said: a file without meta information
}
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


def decode(data: bytes | memoryview) -> Decoded:
    """Decode a whole DICOM file that holds one grayscale frame.

    `bytes` are read in place; a memoryview is copied once. No pixels are allocated before the
    declared size was found below MAX_PIXELS and equal in header and codestream.

    Raises PixelError, and nothing else, for bytes that are not such a file.
    """
    file = part10.read(data)
    form = _format(file.header)
    if file.syntax in NATIVE:
        words, flags, codec = *_native(file, form), "native"
        return _finish(_stored(words, form), file.header, flags, codec)
    frame, flags = _frame(file)
    if file.syntax == RLE:
        raw, codec = _first_that_can(file, form, frame, lambda f: _rle(f, form), "dicomrle")
        return _finish(_stored(raw, form), file.header, flags, codec)
    syntax = COMPRESSED.get(file.syntax or "")
    if syntax is None:
        raise PixelError(Reason.TRANSFER_SYNTAX_UNSUPPORTED, "no decoder for this transfer syntax")
    stream = codestream.look(frame, syntax.family)
    _compare(stream, form)
    raw, codec = _first_that_can(file, form, stream.data, syntax.decode, syntax.codec)
    if stream.precision < form.stored:  # a deeper one is common, and right if its values fit
        flags.append(Flag.W_PRECISION_MISMATCH)
    return _finish(_samples(raw, stream, form, syntax), file.header, flags, codec)


def _finish(pixels: Stored, header: Dataset, flags: list[Flag], codec: str) -> Decoded:
    if pixels.min() == pixels.max():
        raise PixelError(Reason.CONSTANT_IMAGE, "all pixels are equal after decoding")
    return Decoded(pixels, header, tuple(flags), codec)


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


def _format(header: Dataset) -> Format:
    """Raises PixelError: MISSING_ATTRIBUTE, PIXEL_FORMAT or TOO_LARGE."""
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


def _native(file: part10.Part10, form: Format) -> tuple[NDArray[Any], list[Flag]]:
    """Words (rows, columns) as they lie in the file."""
    size = form.rows * form.columns * form.allocated // 8
    if file.length is None or file.length < size:
        raise PixelError(
            Reason.PIXEL_LENGTH_MISMATCH, "the pixel data are shorter than Rows x Columns"
        )
    if len(file.value) < size:
        raise PixelError(Reason.TRUNCATED, "the file ends inside the pixel data")
    flags = [Flag.W_TRAILING_BYTES] if file.length > size + size % 2 else []
    if form.allocated == 16:
        order = "<u2" if file.little_endian else ">u2"
        words: NDArray[Any] = np.frombuffer(file.value[:size], order)
    elif not file.little_endian and file.vr == b"OW":  # PS3.5 8.1.1: bytes lie swapped in pairs
        padded = np.frombuffer(file.value[: size + size % 2], ">u2")
        words = padded.astype("<u2").view(np.uint8)[:size]
    else:
        words = np.frombuffer(file.value[:size], np.uint8)
    return words.reshape(form.rows, form.columns), flags


def _frame(file: part10.Part10) -> tuple[memoryview, list[Flag]]:
    """The one compressed frame, whole."""
    if file.length is not None and file.value[:4] != encapsulation.ITEM:
        raise PixelError(
            Reason.PIXEL_LENGTH_MISMATCH, "native pixel data under a compressed transfer syntax"
        )
    if file.length is not None and file.length > len(file.value):
        raise PixelError(Reason.TRUNCATED, "the file ends inside the pixel data")
    value = file.value if file.length is None else file.value[: file.length]
    frame = encapsulation.join(value)
    ended = frame.delimited or file.length is not None
    return frame.data, [] if ended else [Flag.W_NO_DELIMITER]


def _rle(frame: memoryview, form: Format) -> NDArray[Any]:
    kind = np.dtype("<u2") if form.allocated == 16 else np.dtype("u1")
    plain = _codecs.dicomrle_decode(frame, kind)
    size = form.rows * form.columns * kind.itemsize
    return np.frombuffer(plain, kind, count=size // kind.itemsize).reshape(form.rows, form.columns)


def _compare(stream: Codestream, form: Format) -> None:
    """Raises PixelError when stream and header disagree, or the stream has no end."""
    if stream.samples != 1:
        raise PixelError(Reason.PIXEL_FORMAT, "the codestream has more than one component")
    if (stream.rows, stream.columns) != (form.rows, form.columns):
        raise PixelError(
            Reason.DIMENSION_MISMATCH, "the codestream is not of the size that the header says"
        )
    if END not in bytes(stream.data[-TAIL:]):
        # libjpeg and OpenJPH fill what is missing with grey, and say nothing
        raise PixelError(Reason.TRUNCATED, "the codestream has no end marker")


def _first_that_can(
    file: part10.Part10, form: Format, frame: memoryview, codec: Codec, name: str
) -> tuple[NDArray[Any], str]:
    """Pixels from our codec, or from a decoder that pydicom knows when ours refuses."""
    try:
        raw = codec(frame)
    except Exception:  # noqa: BLE001 -- each codec has its own errors, and their texts stay here
        raw, name = _by_pydicom(file, form, frame), "pydicom"
    if raw.shape != (form.rows, form.columns) or raw.dtype.kind not in "ui":
        raise PixelError(Reason.DECODE_FAILED, "the codec returned an image of another shape")
    return raw, name


def _by_pydicom(file: part10.Part10, form: Format, frame: memoryview) -> NDArray[Any]:
    # pillow guesses formats and scales 12 bit up to 16, so it is never asked
    options: dict[str, Any] = {
        "transfer_syntax_uid": file.syntax,
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": form.allocated,
        "bits_stored": form.stored,
        "pixel_representation": int(form.signed),
        "pixel_keyword": "PixelData",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decoder = get_decoder(file.syntax or "")
            plugins = [name for name in decoder.available_plugins if name != "pillow"]
            pixels, _ = decoder.as_array(
                encapsulate([bytes(frame)]), decoding_plugin=plugins[0], raw=True, **options
            )
        except Exception:  # noqa: BLE001 -- as for ours
            raise PixelError(Reason.DECODE_FAILED, "no codec accepts the pixel data") from None
        return pixels


def _stored(words: NDArray[Any], form: Format) -> Stored:
    """Native words as values: junk above High Bit masked, sign extended (PS3.5 8.1.1)."""
    shift = form.high + 1 - form.stored
    mask = (1 << form.stored) - 1
    if shift == 0 and form.allocated == 16 and (form.stored == 16 or words.max() <= mask):
        values = np.ascontiguousarray(words, np.uint16)
    else:
        values = (words.astype(np.uint16) >> np.uint16(shift)) & np.uint16(mask)
    return _extended(values, form.stored) if form.signed else values


def _extended(values: NDArray[np.uint16], bits: int) -> NDArray[np.int16]:
    """Two's complement of `bits` as int16."""
    spare = 16 - bits
    return (values << np.uint16(spare)).view(np.int16) >> np.int16(spare)


def _samples(raw: NDArray[Any], stream: Codestream, form: Format, syntax: Syntax) -> Stored:
    """Decoded samples as stored values.

    The codec's idea of the sign is not believed: it comes from the header. A codestream deeper
    than Bits Stored is right as long as its values fit; a lossy one may overshoot by a
    sixteenth of the range and is then clipped. Raises PixelError(PRECISION_OVERFLOW).
    """
    low, high = 0, (1 << form.stored) - 1
    least, most = int(raw.min()), int(raw.max())
    if form.signed and least < 0:
        low, high = -(1 << form.stored - 1), (1 << form.stored - 1) - 1
    slack = (1 << form.stored) // 16 if syntax.lossy and stream.precision > form.stored else 0
    if least < low - slack or most > high + slack:
        raise PixelError(Reason.PRECISION_OVERFLOW, "decoded values do not fit Bits Stored")
    if least < low or most > high:
        raw = raw.clip(low, high)
    if not form.signed:
        return np.ascontiguousarray(raw, np.uint16)
    if raw.dtype.kind == "i":
        return np.ascontiguousarray(raw, np.int16)
    # an unsigned stream of signed values: the sign bit is its highest bit
    return _extended(raw.astype(np.uint16), min(stream.precision, form.stored))
