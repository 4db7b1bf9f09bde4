"""A DICOM file up to its pixel data: header, transfer syntax, and where the pixels lie."""

import contextlib
import struct
import warnings
import zlib
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, BinaryIO, NamedTuple

import imagecodecs
from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from mammo.codes import Reason
from mammo.pixel_error import PixelError

DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
PIXEL_DATA = b"\xe0\x7f\x10\x00"
LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")
MAX_INFLATED = 260_000_000  # bytes: 120 megapixels of 16 bit, and a header
MAX_RATIO = 200  # real mammograms deflate to a half or a third, an almost empty one to 1:100
HEAD = 1 << 18  # bytes: more than any header seen
FREE = 1 << 20  # bytes that any file may inflate to

_codecs: Any = imagecodecs  # its stubs leave out that buffers may be memoryviews


class Part10(NamedTuple):
    """A parsed file."""

    header: Dataset  # without pixel data; values are parsed when asked for
    syntax: str | None  # None: the file does not say, and its pixels must be native
    little_endian: bool
    vr: bytes  # of Pixel Data; b"" under implicit VR
    value: memoryview  # what the file holds of Pixel Data's value
    length: int | None  # its stated length; None: undefined


def read(data: bytes | memoryview) -> Part10:
    """Parse a whole DICOM file, with or without preamble and file meta information.

    A deflated data set is inflated here with a bound, since pydicom inflates without one.

    Raises PixelError: HEADER_UNREADABLE, PIXEL_DATA_MISSING, TOO_LARGE (inflates beyond the
    bound), TRUNCATED (a deflated stream that does not end).
    """
    syntax, begin = _meta(memoryview(data))
    plain = _inflate(memoryview(data)[begin:]) if syntax == DEFLATED else data
    source: BinaryIO = BytesIO(plain) if isinstance(plain, bytes) else _buffered(plain)
    header = _parse(source, deflated=syntax == DEFLATED)
    rest = memoryview(plain)[source.tell() :]  # getbuffer() would copy
    little = syntax != BIG_ENDIAN and header.original_encoding[1] is not False
    vr, length, begin = _element(rest, little_endian=little)
    return Part10(header, syntax, little, vr, rest[begin:], length)


def _element(rest: memoryview, *, little_endian: bool) -> tuple[bytes, int | None, int]:
    """VR, length and where the value begins, of the Pixel Data that `rest` begins with."""
    if bytes(rest[:4]) != (PIXEL_DATA if little_endian else b"\x7f\xe0\x00\x10"):
        raise PixelError(Reason.PIXEL_DATA_MISSING, "the file ends without pixel data")
    vr = bytes(rest[4:6])
    if vr not in LONG_VRS:  # implicit: no VR, and a length that is even is no VR either
        vr = b""
    begin = 12 if vr else 8
    if len(rest) < begin:
        raise PixelError(Reason.TRUNCATED, "the file ends where the pixel data begin")
    order = "<I" if little_endian else ">I"
    (length,) = struct.unpack_from(order, rest, begin - 4)
    return vr, None if length == 0xFFFFFFFF else length, begin


def _meta(data: memoryview) -> tuple[str | None, int]:
    """Transfer syntax and where the data set begins (PS3.10, 7.1: always Explicit VR LE)."""
    at = 132 if bytes(data[128:132]) == b"DICM" else 0
    syntax = None
    while bytes(data[at : at + 2]) == b"\x02\x00" and at + 8 <= len(data):
        vr = bytes(data[at + 4 : at + 6])
        head = 12 if vr in LONG_VRS else 8
        if at + head > len(data):
            break
        (length,) = struct.unpack_from(
            "<I" if head == 12 else "<H", data, at + head - (4 if head == 12 else 2)
        )
        if bytes(data[at + 2 : at + 4]) == b"\x10\x00":
            value = bytes(data[at + head : at + head + min(length, 64)])
            syntax = value.decode("ascii", "replace").strip(" \0")
        at += head + length
    return syntax, at


def _size(piece: bytes) -> int | None:
    """How long a data set is, by the length of its pixel data; None if that is further on."""
    source = BytesIO(piece)
    try:
        _parse(source, deflated=True)
        at = source.tell()
        _, length, begin = _element(memoryview(piece)[at:], little_endian=True)
    except PixelError:
        return None
    return None if length is None else at + begin + length


def _inflate(stream: memoryview) -> bytes:
    """The whole data set, never more than the bound.

    libdeflate is twice as fast as zlib but has to know the size: a first piece, by zlib, holds
    the header, and with it the length of the pixel data that mostly end the file.
    """
    bound = min(MAX_INFLATED, MAX_RATIO * len(stream) + FREE)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(stream, min(HEAD, bound))
        if not inflater.eof:
            size = _size(inflated)
            if size and size <= bound:
                with contextlib.suppress(imagecodecs.DeflateError):  # zlib finds out why
                    whole: bytes = _codecs.deflate_decode(stream, raw=True, out=size)
                    if len(whole) == size:
                        return whole
            rest = inflater.decompress(inflater.unconsumed_tail, bound - len(inflated) + 1)
            inflated += rest
    except zlib.error:
        raise PixelError(Reason.HEADER_UNREADABLE, "the deflated data set is damaged") from None
    if len(inflated) > bound:
        raise PixelError(Reason.TOO_LARGE, "the deflated data set inflates beyond its bound")
    if not inflater.eof:
        raise PixelError(Reason.TRUNCATED, "the deflated data set does not end")
    return inflated


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) == 0x7FE00010


class _View(RawIOBase):
    """A buffer as a file, without a copy of it."""

    name = ""  # pydicom asks what file it is

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._at, len(self._data))[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _buffered(data: memoryview) -> BinaryIO:
    reader: Any = BufferedReader(_View(data))
    file: BinaryIO = reader
    return file


def _parse(source: BinaryIO, *, deflated: bool) -> Dataset:
    """Header, with `source` left at the top-level Pixel Data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their texts hold values of the header
        try:
            if not deflated:
                return dcmread(source, stop_before_pixels=True, force=True)
            header = read_dataset(
                source, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels
            )
            header.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
        except Exception:  # noqa: BLE001 -- on hostile bytes pydicom raises anything
            raise PixelError(Reason.HEADER_UNREADABLE, "the data set cannot be parsed") from None
        return header
