"""What a compressed frame says of itself, read before any codec touches it.

A codec allocates what the stream declares, so size, depth and samples are compared with the
header first. Sources: ITU-T T.81 annex B (JPEG), T.87 annex C (JPEG-LS), T.800 annexes A and I
(JPEG 2000 codestream, JP2 boxes).
"""

import struct
from enum import StrEnum
from typing import NamedTuple

from mammo.codes import Reason
from mammo.pixel_error import PixelError

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
JPEG_LS = 0xF7  # SOF55
NOT_A_FRAME = {0xC4, 0xC8, 0xCC}  # DHT, JPG, DAC stand among the SOF markers
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length: TEM, RSTn, SOI
J2K = b"\xff\x4f\xff\x51"  # SOC, SIZ
JP2 = b"\x00\x00\x00\x0cjP  "


class Family(StrEnum):
    """Which markers to expect."""

    JPEG = "jpeg"
    JPEG_LS = "jpegls"
    JPEG_2000 = "jpeg2000"


class Codestream(NamedTuple):
    """The declared frame."""

    data: memoryview  # without the JP2 boxes around it
    rows: int
    columns: int
    precision: int  # bits a sample
    samples: int
    point_transform: int  # low bits that lossless JPEG dropped
    signed: bool = False  # JPEG 2000 alone says so


def look(frame: memoryview, family: Family) -> Codestream:
    """Size and depth of a compressed frame.

    Raises PixelError(DECODE_FAILED) when it is not of this family or ends before it says so.
    """
    try:
        return _jpeg_2000(frame) if family is Family.JPEG_2000 else _jpeg(frame, family)
    except (struct.error, IndexError):
        raise PixelError(
            Reason.DECODE_FAILED, "the compressed stream ends inside its own header"
        ) from None


def _foreign() -> PixelError:
    return PixelError(
        Reason.DECODE_FAILED, "the compressed stream is not of the kind that the syntax names"
    )


def _jpeg(frame: memoryview, family: Family) -> Codestream:
    if bytes(frame[:2]) != b"\xff\xd8":
        raise _foreign()
    rows = columns = precision = samples = 0
    at = 2
    while True:
        if frame[at] != 0xFF:
            raise _foreign()
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if length < 2 or marker == EOI:
            raise _foreign()
        if marker == JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in NOT_A_FRAME):
            if (marker == JPEG_LS) is not (family is Family.JPEG_LS) or rows:
                raise _foreign()
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
        if marker == SOS:
            if not rows:
                raise _foreign()
            lows = frame[at + 1 + length]  # Ah and Al, the segment's last byte
            shift = lows & 0x0F
            return Codestream(frame, rows, columns, precision, samples, shift)
        at += 2 + length


def _jpeg_2000(frame: memoryview) -> Codestream:
    stream = _unboxed(frame) if bytes(frame[:8]) == JP2 else frame
    if bytes(stream[:4]) != J2K:
        raise _foreign()
    x, y, x0, y0 = struct.unpack_from(">4I", stream, 8)
    (samples,) = struct.unpack_from(">H", stream, 40)
    depth, step_x, step_y = stream[42], stream[43], stream[44]
    if (step_x, step_y) != (1, 1):
        raise _foreign()
    return Codestream(stream, y - y0, x - x0, (depth & 0x7F) + 1, samples, 0, bool(depth & 0x80))


def _unboxed(frame: memoryview) -> memoryview:
    """The codestream box. Colour and palette boxes say nothing that DICOM has not said."""
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, at + 8)
            head = 16
        if kind == b"jp2c":
            end = at + length if length else len(frame)
            return frame[at + head : end]
        if length < head:
            raise _foreign()
        at += length
