"""Whether Pixel Data's element agrees with the header and with the file, by its first bytes.

PS3.5 section 8 and annex A.4: native pixels have the length that the header implies, compressed
ones are items. The pixels themselves are not read.
"""

from typing import NamedTuple

from mammo.codes import Flag, Reason
from mammo.elements import ITEM, SEQUENCE_END, UNDEFINED, Element, Encoding, Short, head
from mammo.sop_classes import NATIVE

ITEM_BYTES = b"\xfe\xff\x00\xe0"
BLOCK = 4096  # bytes: pixels may be padded up to one; more means that Rows or Columns are wrong
STREAMS = ((b"\xff\xd8", "JPEG"), (b"\xff\x4f\xff\x51", "JPEG 2000"), (b"\0\0\0\x0c", "JP2"))


class Stated(NamedTuple):
    """What the header says that pixels are; None: unsaid."""

    syntax: str | None
    rows: int | None
    columns: int | None
    frames: int | None
    samples: int | None
    bits_allocated: int | None
    photometric: str | None


class Finding(NamedTuple):
    """A fault with its sentence, or flags."""

    fault: Reason | None = None
    detail: str = ""
    flags: tuple[Flag, ...] = ()


def native_length(stated: Stated) -> int | None:
    """Bytes of native pixels without padding; None if the header does not say."""
    rows, columns, frames = stated.rows, stated.columns, stated.frames
    bits, samples = stated.bits_allocated, stated.samples
    if not (rows and columns and frames and bits and samples):
        return None
    if (stated.photometric or "").startswith("YBR_") and stated.photometric != "YBR_FULL":
        return None  # chroma is subsampled: no mammogram, and not worth a rule
    return -(-rows * columns * frames * samples * bits // 8)


def check(data: bytes, element: Element, size: int | None, stated: Stated) -> Finding:
    """Judge the element of the top-level Pixel Data.

    data: the beginning of the data set's buffer; size: the whole buffer's, None if it is not
    known (inflated in part). Raises Short if the first items are not in `data`.
    """
    begin = data[element.start : element.start + 4]
    if element.undefined or (begin == ITEM_BYTES and stated.syntax not in NATIVE):
        if stated.syntax in NATIVE:
            return _wrapped(data, element)
        return _fragments(data, element, size)
    if stated.syntax not in NATIVE:
        return Finding(
            Reason.PIXEL_LENGTH_MISMATCH,
            "The transfer syntax is compressed, the pixels are not items.",
        )
    if begin == ITEM_BYTES:
        return _wrapped(data, element)
    return _native(element, size, stated)


def _native(element: Element, size: int | None, stated: Stated) -> Finding:
    length, expected = element.end - element.start, native_length(stated)
    flags: tuple[Flag, ...] = ()
    if expected is not None:
        if not expected <= length <= expected + BLOCK:
            sentence = f"Pixel Data has {length} bytes where the header implies {expected}."
            return Finding(Reason.PIXEL_LENGTH_MISMATCH, sentence)
        if length > expected + expected % 2:
            flags = (Flag.W_TRAILING_BYTES,)
    if size is not None and element.end > size:
        return Finding(Reason.TRUNCATED, "The file ends inside the pixel data.")
    return Finding(flags=flags)


def _wrapped(data: bytes, element: Element) -> Finding:
    """Items under a native transfer syntax: name the stream that they hold."""
    at = element.start
    if len(data) < at + 24:
        raise Short(at + 24)
    stream = at + 16 + int.from_bytes(data[at + 4 : at + 8], "little")
    begin = data[stream : stream + 4]
    name = next((name for magic, name in STREAMS if begin.startswith(magic)), "an unknown codec")
    sentence = f"The transfer syntax is native, Pixel Data holds a compressed stream ({name})."
    return Finding(Reason.PIXEL_LENGTH_MISMATCH, sentence)


def _fragments(data: bytes, element: Element, size: int | None) -> Finding:
    """Walk the items whose headers are in `data`; at least the table and the first fragment."""
    at, seen = element.start, 0
    while True:
        if size is not None and at >= size:
            if seen < 2:
                return Finding(Reason.TRUNCATED, "The file ends before the first fragment.")
            return Finding(flags=(Flag.W_NO_DELIMITER,))
        try:
            tag, _, length, start = head(data, at, Encoding(implicit=True, little=True))
        except Short as short:
            if size is not None and short.needed > size:
                return Finding(flags=(Flag.W_NO_DELIMITER,)) if seen > 1 else _cut()
            if seen < 2:
                raise
            return Finding()
        if tag == SEQUENCE_END:
            if seen < 2:
                return Finding(Reason.PIXEL_DATA_MISSING, "The pixel data hold no fragment.")
            return Finding()
        if tag != ITEM or length == UNDEFINED:
            if seen > 1:
                return Finding()  # an odd item may be padded: the decoder resynchronises
            return Finding(Reason.PIXEL_LENGTH_MISMATCH, "The compressed pixel data are not items.")
        at, seen = start + length, seen + 1
        if size is not None and at > size:
            return _cut()


def _cut() -> Finding:
    return Finding(Reason.TRUNCATED, "The file ends inside the pixel data.")
