"""The beginning of an object as facts, identity, or the reason why there are none.

A prefix of 64 KiB is enough for every real mammogram seen. Bounded: no recursion, nothing is
allocated by a length that the file states, an inflated prefix never exceeds the header limit.
"""

import zlib
from dataclasses import dataclass, field, replace

from mammo import pixel_element, reading, sniff, tags
from mammo.charset import codecs
from mammo.codes import Flag, Reason
from mammo.dataset import DataSet
from mammo.elements import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    Element,
    Encoding,
    Malformed,
    Short,
    head,
    walk,
)
from mammo.facts import Facts, Identity
from mammo.pixel_element import Stated
from mammo.sop_classes import (
    DEFLATED,
    DICOMDIR,
    ENCAPSULATED,
    EXPLICIT_VR_BE,
    EXPLICIT_VR_LE,
    IMPLICIT_VR_LE,
    NATIVE,
    NON_IMAGE,
    PROJECTIONS,
    TOMOSYNTHESIS,
)
from mammo.verdict import Judgement

FIRST_READ = 1 << 16  # bytes
LIMIT = 1 << 22  # bytes up to Pixel Data

STOP = frozenset({tags.PIXEL_DATA, 0x7FE00008, 0x7FE00009})  # floating point pixel data too
LAST_GROUP_NEEDED = 0x0020  # of an object that its class excludes: its UIDs have been read
DECIDED_BY_CLASS = frozenset(NON_IMAGE) | PROJECTIONS | {TOMOSYNTHESIS}
SYNTAX_OF = {
    IMPLICIT_LE: IMPLICIT_VR_LE,
    EXPLICIT_LE: EXPLICIT_VR_LE,
    EXPLICIT_BE: EXPLICIT_VR_BE,
}


class NeedMore(Exception):  # noqa: N818 -- an answer, not a failure
    """`length` bytes from the object's start are wanted."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


@dataclass(frozen=True, slots=True)
class Header:
    """What an object's beginning says.

    Either facts and identity, to be judged by `verdict.judge`, or a judgement: an object
    without an instance, from which no SOP Instance UID could be read. `length`: how many of the
    object's bytes that took, up to Pixel Data where it has any.
    """

    facts: Facts | None = None
    identity: Identity | None = None
    judgement: Judgement | None = None
    length: int = field(default=0, compare=False)  # depends on how much was at hand


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Bytes that a data set is read from: a prefix of the object, or what it inflates to."""

    data: bytes
    whole: int | None  # length of what `data` is the beginning of; None: not known
    read: int  # bytes of the object that `data` comes from
    size: int  # of the object

    def lacks(self, needed: int) -> tuple[Reason, str]:
        """Why byte `needed` will never be there. Raises NeedMore if it may be."""
        if self.whole is not None and needed > self.whole:
            return Reason.TRUNCATED, "The file ends inside the header."
        if needed > LIMIT or self.read >= LIMIT:
            return Reason.HEADER_TOO_LARGE, f"Pixel data do not begin within {LIMIT >> 20} MiB."
        if self.read >= self.size:
            return Reason.TRUNCATED, "The deflated data set does not end."
        wanted = max(needed, self.read + 1) if self.whole is not None else self.read + 1
        raise NeedMore(min(self.size, FIRST_READ << ((wanted - 1) // FIRST_READ).bit_length()))


@dataclass(slots=True)
class _Walked:
    """A data set up to its pixel data, or as far as it goes."""

    header: DataSet
    pixels: Element | None = None
    fault: Reason | None = None
    detail: str = ""
    flags: tuple[Flag, ...] = ()


def parse(prefix: bytes, size: int) -> Header:
    """Read the header of an object from its first bytes.

    size: the whole object's, so that truncation and the length of Pixel Data can be judged.

    Raises NeedMore, and nothing else: read that many bytes from the start and call again.
    """
    if len(prefix) < min(size, FIRST_READ):
        raise NeedMore(min(size, FIRST_READ))
    prefix = prefix[:LIMIT]  # what is said never depends on how much more was read
    plain = _Buffer(prefix, size, len(prefix), size)
    start = sniff.start(prefix)
    if start is None:
        return _not_dicom(prefix)
    try:
        meta, at = _meta(prefix, start)
    except Short as short:
        return _without(*plain.lacks(short.needed))
    if meta.uid(tags.MEDIA_SOP_CLASS) == DICOMDIR:
        return _without(Reason.NON_IMAGE_DICOMDIR, "A media directory, which lists other files.")
    syntax = meta.uid(tags.TRANSFER_SYNTAX)
    buffer = plain
    if syntax == DEFLATED:
        try:
            buffer, at = _inflate(prefix, at, size), 0
        except zlib.error:
            return _without(Reason.HEADER_UNREADABLE, "The deflated data set is damaged.")
    stated = _ENCODING_OF.get(syntax or "", EXPLICIT_LE)
    encoding = _encoding(buffer.data, at, stated) if start.meta else start.encoding
    syntax = syntax or SYNTAX_OF[encoding]
    walked = _walk(buffer, at, encoding)
    _check_pixels(walked, buffer, syntax)
    if start.meta and tags.TRANSFER_SYNTAX in meta and encoding != stated:
        walked.flags += (Flag.W_VR_INVALID,)
    return replace(_header(walked, meta, syntax), length=_length(walked, buffer))


def _length(walked: _Walked, buffer: _Buffer) -> int:
    """Up to Pixel Data; all that was read where it has none, or is deflated."""
    if walked.pixels is None or buffer.whole != buffer.size:
        return min(buffer.read, buffer.size)
    return walked.pixels.start


def _not_dicom(prefix: bytes) -> Header:
    archive = sniff.archive(prefix)
    if archive is not None:
        return _without(Reason.ARCHIVE_UNSUPPORTED, f"An archive of the format {archive}.")
    if not prefix:
        return _without(Reason.NOT_DICOM, "The object is empty.")
    return _without(Reason.NOT_DICOM, "The object is neither DICOM nor a known archive.")


def _without(reason: Reason, detail: str) -> Header:
    return Header(judgement=Judgement(reason.verdict, reason, detail))


def _meta(prefix: bytes, start: sniff.Start) -> tuple[DataSet, int]:
    """The file meta information (group 0002) and where the data set begins. Raises Short."""
    at, elements = start.at, {}
    while start.meta and prefix[at : at + 2] == b"\x02\x00":
        tag, vr, length, begin = head(prefix, at, start.encoding)
        at = begin + length
        if at > len(prefix):
            raise Short(at)
        elements[tag] = Element(tag, vr, begin, at, undefined=False)
    return DataSet(prefix, start.encoding, elements), at


def _inflate(prefix: bytes, at: int, size: int) -> _Buffer:
    """The beginning of a deflated data set (PS3.5 A.5), at most LIMIT bytes of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(prefix[at:], LIMIT)
    full = len(data) >= LIMIT
    return _Buffer(data, len(data) if inflater.eof else None, LIMIT if full else len(prefix), size)


def _encoding(data: bytes, at: int, stated: Encoding) -> Encoding:
    """As the transfer syntax says, unless the bytes are plainly of the other VR kind."""
    if sniff.plausible(data, at, stated):
        return stated
    other = {IMPLICIT_LE: EXPLICIT_LE, EXPLICIT_LE: IMPLICIT_LE}.get(stated)
    return other if other is not None and sniff.plausible(data, at, other) else stated


def _walk(buffer: _Buffer, at: int, encoding: Encoding) -> _Walked:
    """Raises NeedMore."""
    walked = _Walked(DataSet(buffer.data, encoding, {}))
    elements, end = walked.header.elements, at
    try:
        for element in walk(buffer.data, at, encoding, stop=STOP):
            if element.tag in STOP:
                walked.pixels = element if element.tag == tags.PIXEL_DATA else None
                break
            elements[element.tag] = element
            end = element.end
    except Malformed:
        walked.fault, walked.detail = Reason.HEADER_UNREADABLE, "The data set cannot be parsed."
    except Short as short:
        ended = buffer.whole == len(buffer.data) and not buffer.data[end:].strip(b"\0")
        if not ended and not (_decided(walked.header) and short.needed <= (buffer.whole or LIMIT)):
            walked.fault, walked.detail = buffer.lacks(short.needed)
    walked.header.codecs = codecs(walked.header.raw(tags.SPECIFIC_CHARACTER_SET))
    return walked


def _decided(header: DataSet) -> bool:
    """Whether the SOP class says all: the rest of the object need not be read."""
    return (
        header.uid(tags.SOP_CLASS) in DECIDED_BY_CLASS
        and max(header.elements) >> 16 > LAST_GROUP_NEEDED
    )


def _check_pixels(walked: _Walked, buffer: _Buffer, syntax: str) -> None:
    """Raises NeedMore."""
    if walked.pixels is None or walked.fault is not None or syntax not in NATIVE | ENCAPSULATED:
        return
    header = walked.header
    stated = Stated(
        syntax=syntax,
        rows=header.unsigned(tags.ROWS),
        columns=header.unsigned(tags.COLUMNS),
        frames=header.integer(tags.NUMBER_OF_FRAMES) if header.text(tags.NUMBER_OF_FRAMES) else 1,
        samples=header.unsigned(tags.SAMPLES_PER_PIXEL),
        bits_allocated=header.unsigned(tags.BITS_ALLOCATED),
        photometric=header.code(tags.PHOTOMETRIC_INTERPRETATION),
    )
    try:
        found = pixel_element.check(buffer.data, walked.pixels, buffer.whole, stated)
    except Short as short:
        walked.fault, walked.detail = buffer.lacks(short.needed)
    else:
        walked.fault, walked.detail, walked.flags = found.fault, found.detail, found.flags


def _header(walked: _Walked, meta: DataSet, syntax: str) -> Header:
    header = walked.header
    sop_class = header.uid(tags.SOP_CLASS) or meta.uid(tags.MEDIA_SOP_CLASS)
    instance = header.uid(tags.SOP_INSTANCE) or meta.uid(tags.MEDIA_SOP_INSTANCE)
    if instance is None:
        if walked.fault is not None:
            return _without(walked.fault, walked.detail)
        if not header.elements:
            return _without(Reason.TRUNCATED, "The file ends before its data set.")
        return _without(Reason.MISSING_ATTRIBUTE, "SOP Instance UID is missing.")
    identity = reading.identity(header)
    facts = reading.facts(header, instance, sop_class, syntax)
    return Header(
        facts=replace(
            facts,
            flags=tuple(sorted({*facts.flags, *walked.flags})),
            has_pixel_data=_holds_bytes(walked.pixels),
            fault=walked.fault,
            fault_detail=walked.detail,
            meta_conflict=_conflict(meta.uid(tags.MEDIA_SOP_CLASS), sop_class)
            or _conflict(meta.uid(tags.MEDIA_SOP_INSTANCE), instance),
        ),
        identity=identity,
    )


def _holds_bytes(pixels: Element | None) -> bool:
    return pixels is not None and (pixels.undefined or pixels.end > pixels.start)


def _conflict(in_meta: str | None, in_data_set: str | None) -> bool:
    return in_meta is not None and in_data_set is not None and in_meta != in_data_set


_ENCODING_OF = {syntax: encoding for encoding, syntax in SYNTAX_OF.items()}
