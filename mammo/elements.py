"""Data elements in a buffer of bytes: where each lies (PS3.5 section 7).

pydicom reads a file; this walks the beginning of one. It must know which byte it lacks, never
recurse, warn or allocate by a length that a file states, and say where Pixel Data begins.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF  # length: until a delimiter
MAX_DEPTH = 32  # sequences in sequences; pydicom exhausts Python's stack at a few hundred
MAX_ELEMENTS = 20_000  # in one data set; real mammograms have a few hundred

LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # VRs with 4 bytes of length
VRS = LONG | frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())


class Short(Exception):  # noqa: N818 -- not an error of the file: more of it is wanted
    """The buffer ends before byte `needed`."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


class Malformed(Exception):  # noqa: N818 -- the file is malformed, not we
    """The bytes cannot be data elements."""


class Encoding(NamedTuple):
    """How data elements are written."""

    implicit: bool
    little: bool


IMPLICIT_LE, EXPLICIT_LE = Encoding(True, True), Encoding(False, True)  # noqa: FBT003
EXPLICIT_BE = Encoding(False, False)  # noqa: FBT003


class Element(NamedTuple):
    """Where a value lies; offsets count from the start of the buffer."""

    tag: int  # group << 16 | element
    vr: str | None  # None: not written
    start: int
    end: int  # first byte after the value, its delimiter included
    undefined: bool  # the length was not stated: the value is items


_TAG_LENGTH = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_SHORT_LENGTH = {True: struct.Struct("<H"), False: struct.Struct(">H")}
_LONG_LENGTH = {True: struct.Struct("<I"), False: struct.Struct(">I")}


class Head(NamedTuple):
    """An element's tag, VR and length, and where its value begins."""

    tag: int
    vr: str | None
    length: int
    start: int


def head(data: bytes, at: int, encoding: Encoding) -> Head:
    """The element that begins at `at`.

    Under explicit VR, an element without a VR is read as implicit, as pydicom does: some
    writers change their mind inside sequences. Raises Short.
    """
    if at + 8 > len(data):
        raise Short(at + 8)
    group, number, length = _TAG_LENGTH[encoding.little].unpack_from(data, at)
    tag = group << 16 | number
    if encoding.implicit or group == 0xFFFE:
        return Head(tag, None, length, at + 8)
    vr = data[at + 4 : at + 6]
    if vr in LONG:
        if at + 12 > len(data):
            raise Short(at + 12)
        (length,) = _LONG_LENGTH[encoding.little].unpack_from(data, at + 8)
        return Head(tag, vr.decode(), length, at + 12)
    if vr.isalpha() and vr.isupper():
        (length,) = _SHORT_LENGTH[encoding.little].unpack_from(data, at + 6)
        return Head(tag, vr.decode(), length, at + 8)
    return Head(tag, None, length, at + 8)


def walk(
    data: bytes,
    at: int,
    encoding: Encoding,
    end: int | None = None,
    stop: frozenset[int] = frozenset(),
) -> Iterator[Element]:
    """Elements one after the other, up to `end` or to the end of an item.

    One whose tag is in `stop` is yielded as the last, whether or not its value is there.
    Without `end` the buffer may be the beginning of something longer, and Short is raised when
    it is used up. Raises Malformed, also for more than MAX_ELEMENTS.
    """
    for _ in range(MAX_ELEMENTS):
        if end is not None and at >= end:
            return
        tag, vr, length, start = head(data, at, encoding)
        if tag == ITEM_END:
            return
        if tag >> 16 == 0xFFFE:
            raise Malformed
        if tag in stop:
            yield Element(
                tag, vr, start, start + (0 if length == UNDEFINED else length), length == UNDEFINED
            )
            return
        at = _after(data, Head(tag, vr, length, start), encoding)
        if end is not None and at > end:
            raise Malformed
        yield Element(tag, vr, start, at, length == UNDEFINED)
    raise Malformed


def items(data: bytes, element: Element, encoding: Encoding) -> Iterator[tuple[Element, ...]]:
    """The items of a sequence whose value lies in the buffer. Raises Malformed."""
    at = element.start
    while at + 8 <= element.end:
        tag, _, length, start = head(data, at, encoding)
        if tag != ITEM:
            return
        end = element.end if length == UNDEFINED else start + length
        if end > element.end:
            raise Malformed
        found = tuple(walk(data, start, encoding, end))
        yield found
        at = (found[-1].end if found else start) + 8 if length == UNDEFINED else end


def _after(data: bytes, element: Head, encoding: Encoding) -> int:
    """The first byte after an element. Raises Short, Malformed."""
    _, vr, length, start = element
    if length == UNDEFINED:
        return _skip(data, start, encoding, fragments=_holds_fragments(vr))
    if start + length > len(data):
        raise Short(start + length)
    return start + length


def _holds_fragments(vr: str | None) -> bool:
    """Items of an undefined length element are bytes, not data sets (PS3.5 A.4)."""
    return vr in ("OB", "OW", "OF", "OD", "OL", "OV")


def _skip(data: bytes, at: int, encoding: Encoding, *, fragments: bool) -> int:
    """The first byte after a value of undefined length, found without recursion."""
    within = [ITEM if fragments else SEQUENCE_END]  # ITEM: fragments, ITEM_END: inside an item
    while within:
        tag, vr, length, start = head(data, at, encoding)
        place = within[-1]
        if place == ITEM_END:
            if tag == ITEM_END:
                within.pop()
                at = start
            elif tag >> 16 == 0xFFFE:
                raise Malformed
            elif length == UNDEFINED:
                within.append(ITEM if _holds_fragments(vr) else SEQUENCE_END)
                at = start
            else:
                at = start + length
        elif tag == SEQUENCE_END:
            within.pop()
            at = start
        elif tag != ITEM or (length == UNDEFINED and place == ITEM):
            raise Malformed
        elif length == UNDEFINED:
            within.append(ITEM_END)
            at = start
        else:
            at = start + length
        if len(within) > 2 * MAX_DEPTH:
            raise Malformed
        if at > len(data):
            raise Short(at)
    return at
