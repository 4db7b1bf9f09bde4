"""One compressed frame out of the items that hold it (PS3.5 A.4)."""

import struct
from typing import NamedTuple

from mammo.codes import Reason
from mammo.pixel_error import PixelError

ITEM = b"\xfe\xff\x00\xe0"
DELIMITER = b"\xfe\xff\xdd\xe0"
HEADER = 8  # bytes: tag and length
UNDEFINED = 0xFFFFFFFF


class Frame(NamedTuple):
    """The bytes of the only frame."""

    data: memoryview
    fragments: int
    delimited: bool  # the sequence ended as it should


def join(value: memoryview) -> Frame:
    """Walk the items of a single-frame image from the first byte after Pixel Data's length.

    The first item is the offset table. With one frame it says nothing that we need, and it is
    wrong often enough: it is skipped, and all fragments are joined. Items are followed by their
    lengths; the delimiter is never searched for, since its bytes may occur inside a stream.
    An odd item may be followed by a byte of padding that its length does not count.

    Raises PixelError: TRUNCATED if an item reaches past the end, DECODE_FAILED if what follows
    an item is neither an item nor the delimiter, PIXEL_DATA_MISSING if there is no fragment.
    """
    items: list[memoryview] = []
    at, delimited = 0, False
    while at + HEADER <= len(value):
        tag = bytes(value[at : at + 4])
        if tag not in (ITEM, DELIMITER) and items and len(items[-1]) % 2:
            at += 1
            tag = bytes(value[at : at + 4])
        if tag == DELIMITER:
            delimited = True
            break
        if tag != ITEM:
            raise PixelError(Reason.DECODE_FAILED, "the items of the pixel data lose their thread")
        if at + HEADER > len(value):
            break
        (length,) = struct.unpack_from("<I", value, at + 4)
        at += HEADER
        if length == UNDEFINED:
            raise PixelError(Reason.DECODE_FAILED, "a fragment has no length")
        if at + length > len(value):
            raise PixelError(Reason.TRUNCATED, "a fragment reaches past the end of the file")
        items.append(value[at : at + length])
        at += length
    fragments = [item for item in items[1:] if len(item)]
    if not fragments:
        raise PixelError(Reason.PIXEL_DATA_MISSING, "the pixel data hold no fragment")
    whole = fragments[0] if len(fragments) == 1 else memoryview(b"".join(fragments))
    return Frame(whole, len(fragments), delimited)
