"""From the bytes of a DICOM file to its stored pixel values.

imagecodecs does the work in C, without the GIL, one codec for each transfer syntax: none that
guesses a format. What the stream declares is compared with the header before a codec sees it.
Sources: PS3.5 sections 8 and annex A, PS3.3 C.7.6.3.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from mammo import codecs, codestream, encapsulation, part10, pixel_format
from mammo.codecs import Codec, Syntax
from mammo.codes import Flag, Reason
from mammo.codestream import Codestream
from mammo.pixel_error import PixelError
from mammo.pixel_format import MAX_PIXELS, Format

__all__ = ["MAX_PIXELS", "Decoded", "PixelError", "decode"]

Stored = NDArray[np.uint16] | NDArray[np.int16]

END = b"\xff\xd9"  # EOI in JPEG, EOC in JPEG 2000; cannot occur in entropy-coded bytes
DEEPEST_HALF = 14  # bits; a low pass may overshoot them by half
TAIL = 64  # bytes in which the end marker must lie: some writers pad generously


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """An image as its machine stored it."""

    pixels: Stored  # (rows, columns), masked to Bits Stored, sign extended, contiguous
    header: Dataset  # without pixel data
    flags: tuple[Flag, ...]
    codec: str  # what decoded it, for counting
    half: bool = False  # a wavelet's low pass: rows and columns halved, rounded up


NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    part10.BIG_ENDIAN,
    part10.DEFLATED,
    None,  # not said: a file without meta information
}


def decode(data: bytes | memoryview, *, half: bool = False) -> Decoded:
    """Decode a whole DICOM file that holds one grayscale frame.

    `half`: at half resolution where the codestream holds it (JPEG 2000 and HTJ2K, Flag
    W_HALF_RESOLUTION); all else is decoded whole.

    The bytes are read in place, and native pixels may lie in them still. No pixels are allocated before the
    declared size was found below MAX_PIXELS and equal in header and codestream.

    Raises PixelError, and nothing else, for bytes that are not such a file.
    """
    file = part10.read(data)
    form = pixel_format.read(file.header)
    if file.syntax in NATIVE:
        words, flags, codec = *_native(file, form), "native"
        return Decoded(_stored(words, form), file.header, tuple(flags), codec)
    if file.syntax != codecs.RLE and file.syntax not in codecs.COMPRESSED:
        raise PixelError(Reason.TRANSFER_SYNTAX_UNSUPPORTED, "no decoder for this transfer syntax")
    frame, flags = _frame(file)
    if file.syntax == codecs.RLE:
        raw, codec = _first_that_can(file, form, frame, lambda f: codecs.rle(f, form), "dicomrle")
        return Decoded(_stored(raw, form), file.header, tuple(flags), codec)
    syntax = codecs.COMPRESSED[file.syntax]
    stream = codestream.look(frame, syntax.family)
    _compare(stream, form)
    low_pass = _half(stream, form, syntax) if half else None
    if low_pass is None:
        raw, codec = _first_that_can(file, form, stream.data, syntax.decode, syntax.codec)
    else:
        raw, codec = low_pass, f"{syntax.codec} half"
        flags.append(Flag.W_HALF_RESOLUTION)
    if stream.precision < form.stored:  # a deeper one is common, and right if its values fit
        flags.append(Flag.W_PRECISION_MISMATCH)
    slack = _slack(stream, form, lossy=syntax.lossy, half=low_pass is not None)
    pixels = _samples(raw, stream, form, slack)
    return Decoded(pixels, file.header, tuple(flags), codec, half=low_pass is not None)


def _refuse_constant(least: int, most: int) -> None:
    if least == most:
        raise PixelError(Reason.CONSTANT_IMAGE, "all pixels are equal after decoding")


def _range(pixels: NDArray[Any]) -> tuple[int, int]:
    """Least and greatest value, by OpenCV: three times as fast as numpy's two passes."""
    if pixels.dtype not in (np.uint8, np.uint16, np.int16):
        return int(pixels.min()), int(pixels.max())
    least, most, _, _ = cv2.minMaxLoc(pixels)
    return int(least), int(most)


def _native(file: part10.Part10, form: Format) -> tuple[NDArray[Any], list[Flag]]:
    """Words (rows, columns) as they lie in the file."""
    size = form.rows * form.columns * form.allocated // 8
    if file.length is None or file.length < size:
        raise PixelError(
            Reason.PIXEL_LENGTH_MISMATCH, "the pixel data are shorter than Rows x Columns"
        )
    if len(file.value) < size or file.length > len(file.value) + 1:  # an odd one may lack its pad
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


def _half(stream: Codestream, form: Format, syntax: Syntax) -> NDArray[Any] | None:
    """The low pass of the first wavelet level; None where there is none that can be trusted.

    A low pass undershoots beside edges, and OpenJPH wraps what is below zero: seen as int16 it
    is negative again, as long as no true value is so high. Signed values in an unsigned stream
    jump where they change sign, and their low pass means nothing.
    """
    if syntax.half is None or form.signed is not stream.signed or form.stored > DEEPEST_HALF:
        return None
    try:
        raw = syntax.half(stream)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- whatever is wrong, the whole decoding will tell
        return None
    expected = (-(-stream.rows // 2), -(-stream.columns // 2))
    if raw.shape != expected or raw.dtype.kind not in "ui":
        return None
    if raw.dtype == np.uint16:
        raw = raw.view(np.int16).clip(0).view(np.uint16)
    return raw


def _first_that_can(
    file: part10.Part10, form: Format, frame: memoryview, codec: Codec, name: str
) -> tuple[NDArray[Any], str]:
    """Pixels from our codec, or from a decoder that pydicom knows when ours refuses."""
    try:
        raw = codec(frame)
    except MemoryError:
        raise  # says nothing against the file
    except Exception:  # noqa: BLE001 -- each codec has its own errors, and their texts stay here
        raw, name = _by_pydicom(file, form, frame), "pydicom"
    if raw.shape != (form.rows, form.columns) or raw.dtype.kind not in "ui":
        raise PixelError(Reason.DECODE_FAILED, "the codec returned an image of another shape")
    return raw, name


def _by_pydicom(file: part10.Part10, form: Format, frame: memoryview) -> NDArray[Any]:
    # Only its own decoders, in Python: what else is installed here must not decide what is read,
    # and pillow guesses formats and scales 12 bit up to 16.
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
            pixels, _ = decoder.as_array(
                encapsulate([bytes(frame)]), decoding_plugin="pydicom", raw=True, **options
            )
        except Exception:  # noqa: BLE001 -- as for ours
            raise PixelError(Reason.DECODE_FAILED, "no codec accepts the pixel data") from None
        return pixels


def _stored(words: NDArray[Any], form: Format) -> Stored:
    """Native words as values: junk above High Bit masked, sign extended (PS3.5 8.1.1).

    Raises PixelError(CONSTANT_IMAGE), as `_samples` does: the range is at hand here.
    """
    shift = form.high + 1 - form.stored
    mask = (1 << form.stored) - 1
    least, most = _range(words)
    values = np.ascontiguousarray(words, np.uint16)
    if shift or most > mask:
        values = (values >> np.uint16(shift)) & np.uint16(mask)
        least, most = _range(values)
    _refuse_constant(least, most)
    return _extended(values, form.stored) if form.signed else values


def _extended(values: NDArray[np.uint16], bits: int) -> NDArray[np.int16]:
    """Two's complement of `bits` as int16."""
    spare = 16 - bits
    return (values << np.uint16(spare)).view(np.int16) >> np.int16(spare)


def _slack(stream: Codestream, form: Format, *, lossy: bool, half: bool) -> int:
    """By how much values may overshoot Bits Stored, and are then clipped.

    A codestream deeper than Bits Stored is right as long as its values fit; a lossy one may
    overshoot by a sixteenth of the range, a low pass at a sharp edge by a quarter and in a
    corner by half.
    """
    if stream.precision <= form.stored:
        return 0
    return (1 << form.stored) // (2 if half else 16) if half or lossy else 0


def _samples(raw: NDArray[Any], stream: Codestream, form: Format, slack: int) -> Stored:
    """Decoded samples as stored values; the sign is the header's, whatever the codec thinks.

    Raises PixelError: PRECISION_OVERFLOW or CONSTANT_IMAGE.
    """
    low, high = 0, (1 << form.stored) - 1
    least, most = _range(raw)
    if form.signed and raw.dtype.kind == "i":
        low, high = -(1 << form.stored - 1), (1 << form.stored - 1) - 1
    if least < low - slack or most > high + slack:
        raise PixelError(Reason.PRECISION_OVERFLOW, "decoded values do not fit Bits Stored")
    if least < low or most > high:
        raw = raw.clip(low, high)
    _refuse_constant(max(least, low), min(most, high))
    if not form.signed:
        return np.ascontiguousarray(raw, np.uint16)
    if raw.dtype.kind == "i":
        return np.ascontiguousarray(raw, np.int16)
    # an unsigned stream of signed values: the sign bit is its highest bit
    return _extended(raw.astype(np.uint16), min(stream.precision, form.stored))
