"""A second decoder for each transfer syntax, of another ancestry than the one that screens.

FFmpeg's own decoders come inside OpenCV's wheel; a frame is handed to them in an AVI container,
whose four-character code names the codec, so that none is guessed. They are slower and keep
the interpreter's lock: this is for checks, in a process of its own.
"""

import os
import resource
import struct
import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import cv2
import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray

from mammo import codecs, codestream, encapsulation, part10, pixel_format
from mammo.codestream import Codestream, Family
from mammo.decode import NATIVE, Decoded
from mammo.decode import decode as decode_first
from mammo.pixel_error import PixelError

JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
ADDRESS_SPACE = 6 << 30  # bytes: both decoders on the largest image that is read
LOSSY_SHARE = 2**-10  # of the range: how far two sound decoders of a lossy stream may be apart

Stored = NDArray[np.int32]


class Pedigree(NamedTuple):
    """Who wrote two decoders of a transfer syntax: they share no code."""

    first: str
    second: str


_PEDIGREES = {
    Family.JPEG: Pedigree(
        "libjpeg-turbo 3 (IJG libjpeg 6b)", "FFmpeg mjpegdec (of its own making)"
    ),
    Family.JPEG_LS: Pedigree("CharLS 2", "FFmpeg jpeglsdec (of its own making)"),
    Family.JPEG_2000: Pedigree("OpenJPEG 2", "FFmpeg jpeg2000dec (of its own making)"),
}


class Refused(Exception):  # noqa: N818 -- a state of affairs
    """The second decoder has no word on this file: there is nothing to compare."""


def pedigree(syntax: str | None) -> Pedigree:
    """The two decoders of a transfer syntax, and where they come from."""
    if syntax == part10.DEFLATED:
        return Pedigree("libdeflate, then NumPy", "zlib, then pydicom")
    if syntax in NATIVE:
        return Pedigree("NumPy on the file's bytes", "pydicom's pixel_array")
    if syntax == codecs.RLE:
        return Pedigree("imagecodecs' dicomrle (C)", "pydicom's RLE (Python)")
    if syntax in JPEG_LOSSLESS:
        return Pedigree(
            "libjpeg-turbo 3 (IJG libjpeg 6b, Murchison's lossless patch)",
            "liblj92 (of its own making); FFmpeg mjpegdec under a point transform",
        )
    found = codecs.COMPRESSED[syntax or ""]
    if found.codec == "htj2k":
        return Pedigree("OpenJPH", "FFmpeg jpeg2000htdec (of its own making)")
    return _PEDIGREES[found.family]


def tolerance(syntax: str | None, bits: int) -> int:
    """Grey levels that two sound decoders may differ by: none, unless the stream is lossy."""
    compressed = codecs.COMPRESSED.get(syntax or "")
    # Near-lossless JPEG-LS loses when it is encoded; every decoder gives the same.
    if compressed is None or not compressed.lossy or compressed.family is Family.JPEG_LS:
        return 0
    return max(1, round((1 << bits) * LOSSY_SHARE))


def difference(data: bytes) -> tuple[int, int]:
    """The largest difference between the two decoders on a whole file, and what is tolerable.

    Raises PixelError where ours refuses the file, `Refused` where the second does.
    """
    first = decode_first(data)
    file = part10.read(data)
    form = pixel_format.read(first.header)
    second = decode(data, first)
    if second.shape != first.pixels.shape:
        raise Refused
    apart = int(np.abs(second - first.pixels).max())
    return apart, tolerance(file.syntax, form.stored)


def main() -> None:
    """Standard input is a file; prints a word of `spot_check.Word`, the difference, the bound."""
    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        apart, tolerable = difference(sys.stdin.buffer.read())
        said = f"{'differs' if apart > tolerable else 'agreed'} {apart} {tolerable}"
    except PixelError:
        said = "unreadable 0 0"
    except Refused:
        said = "refused 0 0"
    sys.stdout.write(said)


def decode(data: bytes, first: Decoded) -> Stored:
    """Stored values (rows, columns) of the file that `first` was decoded from.

    Raises `Refused`.
    """
    file = part10.read(data)
    form = pixel_format.read(first.header)
    if file.syntax in NATIVE or file.syntax == codecs.RLE:
        return _by_pydicom(data)
    frame = encapsulation.join(file.value).data
    stream = codestream.look(frame, codecs.COMPRESSED[file.syntax or ""].family)
    if file.syntax in JPEG_LOSSLESS and not stream.point_transform:
        raw = _or_refuse(lambda: imagecodecs.ljpeg_decode(bytes(stream.data)))
    else:
        raw = _by_ffmpeg(stream, codecs.COMPRESSED[file.syntax or ""].family)
    values = raw.astype(np.int32)
    low, high = 0, (1 << form.stored) - 1
    if form.signed:
        low, high = -(1 << form.stored - 1), (1 << form.stored - 1) - 1
    if _signed_stream(stream, file.syntax):
        values -= 1 << stream.precision - 1  # FFmpeg shows them as unsigned
    elif form.signed:
        bits = min(stream.precision, form.stored)
        values = (values & ((1 << bits) - 1) ^ (1 << bits - 1)) - (1 << bits - 1)
    lossy = codecs.COMPRESSED[file.syntax or ""].lossy
    return values.clip(low, high) if lossy else values


def _or_refuse(work: Callable[[], Any]) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their texts hold values of the header
        try:
            return np.asarray(work())
        except Exception:  # noqa: BLE001 -- each decoder has its own errors: their texts stay here
            raise Refused from None


def _by_pydicom(data: bytes) -> Stored:
    def work() -> NDArray[Any]:
        dataset: Any = pydicom.dcmread(BytesIO(data), force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            native = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
            dataset.file_meta.TransferSyntaxUID = native if little else part10.BIG_ENDIAN
        if dataset.file_meta.TransferSyntaxUID == codecs.RLE:
            dataset.pixel_array_options(decoding_plugin="pydicom")
        pixels: NDArray[Any] = dataset.pixel_array
        return pixels

    return _or_refuse(work).astype(np.int32)


def _signed_stream(stream: Codestream, syntax: str | None) -> bool:
    """Whether a JPEG 2000 codestream says that its samples are signed (T.800, A.5.1: Ssiz)."""
    family = codecs.COMPRESSED[syntax or ""].family
    return family is Family.JPEG_2000 and bool(stream.data[42] & 0x80)


_FOURCC = {Family.JPEG: b"MJPG", Family.JPEG_LS: b"MJLS", Family.JPEG_2000: b"MJ2C"}


def _by_ffmpeg(stream: Codestream, family: Family) -> NDArray[Any]:
    """Samples as FFmpeg sees them, unsigned; above 8 bits it fills 16 from the top."""
    with os.fdopen(os.memfd_create("frame"), "wb") as film:
        film.write(_avi(_FOURCC[family], bytes(stream.data), stream.columns, stream.rows))
        film.flush()
        capture = cv2.VideoCapture(f"/proc/self/fd/{film.fileno()}", cv2.CAP_FFMPEG)
        try:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # grey as it is, of 8 or 16 bits
            found, image = capture.read()
        finally:
            capture.release()
    if not found:
        raise Refused
    samples: NDArray[Any] = np.asarray(image)
    if samples.size != stream.rows * stream.columns:  # in colour, or taken for half of a frame
        raise Refused
    samples = samples.reshape(stream.rows, stream.columns)
    return samples >> np.uint16(16 - stream.precision) if samples.itemsize == 2 else samples


def _avi(codec: bytes, frame: bytes, columns: int, rows: int) -> bytes:
    """One frame in a RIFF AVI (Microsoft's AVI RIFF File Reference)."""
    size = len(frame)
    main = struct.pack("<14I", 1_000_000, size, 0, 0, 1, 0, 1, size, columns, rows, 0, 0, 0, 0)
    about = (
        b"vids"
        + codec
        + struct.pack("<IHHIIIIIIII4h", *(0, 0, 0, 0, 1, 1, 0, 1, size, 0, 0), 0, 0, 0, 0)
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, columns, rows, 1, 24, codec, size, 0, 0, 0, 0)
    track = _list(b"strl", _chunk(b"strh", about) + _chunk(b"strf", picture))
    head = _list(b"hdrl", _chunk(b"avih", main) + track)
    return _chunk(b"RIFF", b"AVI " + head + _list(b"movi", _chunk(b"00dc", frame)))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _list(name: bytes, body: bytes) -> bytes:
    return _chunk(b"LIST", name + body)
