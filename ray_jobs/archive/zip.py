"""Zip archives (PKWARE APPNOTE 6.3.10), read from their central directory, zip64 too.

The parser is our own because the bytes are strangers': each size that is stated is checked
against what is there, and a bad member costs itself alone.
"""

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from mammo.codes import Reason
from mammo.header import FIRST_READ
from mammo.members import Method, Place
from ray_jobs.archive.expand import FREE_MEMBER, Fetch, bomb, ratio_exceeded
from ray_jobs.archive.fault import ArchiveFault

MAX_DIRECTORY = 1 << 26  # bytes of the central directory: some 600,000 members
_END = struct.Struct("<4s4H2IH")  # 4.3.16, end of central directory record
_END64_AT = struct.Struct("<4sIQI")  # 4.3.15, its zip64 locator
_END64 = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_ENTRY = struct.Struct("<4s6H3I5H2I")  # 4.3.12, central directory header
_LOCAL = struct.Struct("<4s5H3I2H")  # 4.3.7, local file header
_END_MAGIC, _END64_AT_MAGIC, _END64_MAGIC = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ENTRY_MAGIC, _LOCAL_MAGIC = b"PK\x01\x02", b"PK\x03\x04"
_COMMENT = 0xFFFF  # bytes that may follow the last record
_SEE_ZIP64_16, _SEE_ZIP64 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 0x0001
_ENCRYPTED, _UTF8 = 0x0001 | 0x0040 | 0x2000, 0x0800  # general purpose bits, 4.4.4
_AES = 99
_METHODS = {0: Method.STORED, 8: Method.DEFLATE}
_UNIX = 3
_LOCAL_EXTRA = 512  # bytes of extra fields that a local header is expected to have at most


class _Directory(NamedTuple):
    begin: int
    size: int
    entries: int
    shift: int  # of every offset: bytes that were put before the archive


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A member as the central directory has it; `fault`: why it can't be read."""

    name: str
    method: Method
    header: int  # offset of its local header
    limit: int  # where what follows begins: the next member, or the directory
    length: int  # bytes in the archive
    size: int  # bytes of the member
    crc32: int
    fault: ArchiveFault | None = None


def members(fetch: Fetch, size: int) -> tuple[list[ZipMember], ArchiveFault | None]:
    """The members in the order of their places, folders left out; why others are missing.

    Raises ArchiveFault when there is no directory: ARCHIVE_CORRUPT, ARCHIVE_UNSUPPORTED.
    """
    directory = _directory(fetch, size)
    if directory.size > MAX_DIRECTORY:
        raise ArchiveFault(
            Reason.ARCHIVE_UNSUPPORTED, "The archive's directory is larger than 64 MiB."
        )
    data = fetch(directory.begin, directory.begin + directory.size) if directory.size else b""
    found, missing = _entries(data, directory.shift)
    # Without zip64 the count has 16 bits, and some writers let it run over.
    if missing is None and (len(found) - directory.entries) % (1 << 16):
        missing = ArchiveFault(
            Reason.ARCHIVE_CORRUPT, "The archive does not hold as many members as it states."
        )
    found.sort(key=lambda member: member.header)
    nexts = [*(member.header for member in found[1:]), directory.begin]
    files = [
        _bounded(member, min(after, directory.begin), directory.begin)
        for member, after in zip(found, nexts, strict=False)  # of none, only the directory begins
        if member.size or not member.name.endswith("/")
    ]
    return files, missing


def place(fetch: Fetch, member: ZipMember) -> tuple[Place, bytes]:
    """Where a member's bytes lie, by its local header, and the first of them.

    Raises ArchiveFault: ARCHIVE_CORRUPT when the local header is another one's, ARCHIVE_BOMB
    when the member reaches into the next one.
    """
    ahead = _LOCAL.size + len(member.name.encode("utf-8", "replace")) + _LOCAL_EXTRA
    wanted = ahead + min(member.length, FIRST_READ)
    data = fetch(member.header, min(member.header + wanted, member.limit))
    if len(data) < _LOCAL.size or not data.startswith(_LOCAL_MAGIC):
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member is not where the directory says.")
    _, _, bits, method, _, _, _, _, _, name, extra = _LOCAL.unpack_from(data)
    if bits & _ENCRYPTED:
        raise ArchiveFault(Reason.ARCHIVE_ENCRYPTED, "A member is encrypted.")
    if _METHODS.get(method) is not member.method:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's two headers contradict each other.")
    begin = _LOCAL.size + name + extra
    if member.header + begin + member.length > member.limit:
        raise _overlapping()
    where = Place(member.method, member.header + begin, member.length, member.size, member.crc32)
    return where, data[begin : begin + member.length]


def _bounded(member: ZipMember, limit: int, directory: int) -> ZipMember:
    """The member, with a fault where it can't be read by what the directory says alone."""
    least = member.header + _LOCAL.size + member.length
    fault = member.fault
    if fault is None and least > directory:
        fault = ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member reaches beyond the archive.")
    if fault is None and least > limit:
        fault = _overlapping()
    if fault is None and member.method is Method.STORED and member.size != member.length:
        fault = ArchiveFault(Reason.ARCHIVE_CORRUPT, "A stored member states two sizes.")
    if fault is None and ratio_exceeded(member.size, member.length, FREE_MEMBER):
        fault = bomb()
    return replace(member, limit=limit, fault=fault)


def _overlapping() -> ArchiveFault:
    return ArchiveFault(Reason.ARCHIVE_BOMB, "A member's bytes are another member's too.")


def _directory(fetch: Fetch, size: int) -> _Directory:
    """Where the central directory lies (4.3.16, 4.3.14)."""
    begin = max(0, size - _COMMENT - _END.size - _END64_AT.size - _END64.size)
    tail = fetch(begin, size)
    at = _end(tail)
    _, disk, first, _, entries, length, offset, _ = _END.unpack_from(tail, at)
    end = begin + at
    locator = at - _END64_AT.size
    if locator >= 0 and tail.startswith(_END64_AT_MAGIC, locator):
        _, disk, where, _ = _END64_AT.unpack_from(tail, locator)
        record, end = _end64(fetch, begin + locator, where)
        _, _, _, _, disk, first, _, entries, length, offset = record
    elif _SEE_ZIP64 in (length, offset):
        raise _no_directory()
    if disk or first:
        raise ArchiveFault(Reason.ARCHIVE_UNSUPPORTED, "The archive is one of several volumes.")
    shift = end - length - offset
    if shift < 0:
        raise _no_directory()
    return _Directory(offset + shift, length, entries, shift)


def _end(tail: bytes) -> int:
    """Where the end record begins: the last one whose comment fills the rest, else the last."""
    at = tail.rfind(_END_MAGIC)
    last = at if at >= 0 and at + _END.size <= len(tail) else -1
    while at >= 0:
        if at + _END.size <= len(tail):
            comment: int = _END.unpack_from(tail, at)[-1]
            if at + _END.size + comment == len(tail):
                return at
        at = tail.rfind(_END_MAGIC, 0, at + 3)
    if last < 0:
        raise _no_directory()
    return last


def _end64(fetch: Fetch, locator: int, where: int) -> tuple[tuple[int, ...], int]:
    """The zip64 end record and where it begins: right before its locator, or where that says."""
    for at in (locator - _END64.size, where):
        if 0 <= at <= locator - _END64.size:
            data = fetch(at, at + _END64.size)
            if data.startswith(_END64_MAGIC):
                return _END64.unpack(data), at
    raise _no_directory()


def _no_directory() -> ArchiveFault:
    return ArchiveFault(Reason.ARCHIVE_CORRUPT, "The archive's directory is missing or damaged.")


def _entries(data: bytes, shift: int) -> tuple[list[ZipMember], ArchiveFault | None]:
    """All that the directory lists, folders too, and why no more."""
    found: list[ZipMember] = []
    at = 0
    while at < len(data):
        if at + _ENTRY.size > len(data) or not data.startswith(_ENTRY_MAGIC, at):
            return found, ArchiveFault(
                Reason.ARCHIVE_CORRUPT, "The archive's directory is damaged or cut off."
            )
        fields = _ENTRY.unpack_from(data, at)
        names, extras, comments = fields[10:13]
        begin = at + _ENTRY.size
        at = begin + names + extras + comments
        if at > len(data):
            return found, ArchiveFault(
                Reason.ARCHIVE_CORRUPT, "The archive's directory is damaged or cut off."
            )
        name = data[begin : begin + names]
        found.append(_entry(fields, name, data[begin + names : begin + names + extras], shift))
    return found, None


def _entry(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> ZipMember:
    made_by, bits, method = fields[1], fields[3], fields[4]
    crc, length, size = fields[7:10]
    disk, attributes, header = fields[13], fields[15], fields[16]
    fault = None
    wide = _zip64(extra)
    try:
        # In this order, and only those that do not fit (4.5.3).
        size = next(wide) if size == _SEE_ZIP64 else size
        length = next(wide) if length == _SEE_ZIP64 else length
        header = next(wide) if header == _SEE_ZIP64 else header
    except StopIteration:
        fault = ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's zip64 sizes are missing.")
    if bits & _ENCRYPTED or method == _AES:
        fault = ArchiveFault(Reason.ARCHIVE_ENCRYPTED, "A member is encrypted.")
    elif disk not in (0, _SEE_ZIP64_16):
        fault = ArchiveFault(Reason.ARCHIVE_UNSUPPORTED, "A member lies in another volume.")
    elif method not in _METHODS:
        fault = ArchiveFault(Reason.ARCHIVE_UNSUPPORTED, "A member is neither stored nor deflated.")
    elif made_by >> 8 == _UNIX and not _plain(attributes >> 16):
        fault = ArchiveFault(Reason.ARCHIVE_UNSUPPORTED, "A member is a link or a device.")
    return ZipMember(
        name.decode("utf-8" if bits & _UTF8 else "cp437", "replace"),
        _METHODS.get(method, Method.STORED),
        header + shift,
        0,
        length,
        size,
        crc,
        fault,
    )


def _plain(mode: int) -> bool:
    return stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)


def _zip64(extra: bytes) -> Iterator[int]:
    """The numbers of the zip64 extended information (4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            whole = extra[at + 4 : at + 4 + length]
            yield from (
                value for (value,) in struct.iter_unpack("<Q", whole[: len(whole) // 8 * 8])
            )
            return
        at += 4 + length
