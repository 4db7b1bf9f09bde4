"""Tar archives: ustar and pax (IEEE Std 1003.1, pax), GNU and the old format.

The parser is our own because the bytes are strangers': it holds one header at a time, allocates
nothing by a stated size, and goes forward only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mammo.codes import Reason
from mammo.sniff import TAR_BLOCK, tar_checksum_holds
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.tape import Tape

MAX_EXTENSION = 1 << 20  # bytes of a pax header or a long name: a name may have 64 KiB
MAX_EXTENSIONS = 16  # of one member, one after the other
MAX_GAP = 1 << 20  # bytes of zeros after an end mark, up to an archive written behind it
NO_DATA = frozenset(b"123456")  # links, devices, folders, pipes: nothing follows their header
FOLDER, SPARSE = ord("5"), ord("S")
SPECIAL = frozenset(b"12346SDMNV")  # any other type is a plain file (POSIX)
ZEROS = bytes(TAR_BLOCK)


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member that the tape stands in front of."""

    name: str
    offset: int  # of its first byte on the tape
    size: int
    supported: bool  # a plain file; links, devices and sparse files are not


def members(tape: Tape) -> Iterator[TarMember]:
    """The members in order, folders left out.

    The tape stands at the member's first byte; whoever takes it may read from there on.

    Raises ArchiveFault (ARCHIVE_CORRUPT, or what the tape raises) where the rest can't be read:
    what was given stands.
    """
    overall: dict[str, str] = {}
    ended = 0  # blocks of zeros
    block = tape.read(TAR_BLOCK)
    if tape.end is None and not tar_checksum_holds(block) and block != ZEROS:
        raise ArchiveFault(Reason.ARCHIVE_UNSUPPORTED, "What is compressed is not a tar archive.")
    while True:
        if ended and (not block or ended * TAR_BLOCK > MAX_GAP):
            return
        if len(block) < TAR_BLOCK:
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "The archive ends without its end mark.")
        if block == ZEROS:  # archives may have been written one after the other
            ended += 1
        elif tar_checksum_holds(block):
            ended = 0
            member, kind, end = _member(tape, block, overall)
            if kind != FOLDER:
                yield member
            tape.skip_to(end)
        elif ended:
            return
        else:
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's header is damaged.")
        block = tape.read(TAR_BLOCK)


def _member(tape: Tape, block: bytes, overall: dict[str, str]) -> tuple[TarMember, int, int]:
    """The member that `block`, and the extensions before it, describe; its type; where it ends."""
    said: dict[str, str] = {}
    for _ in range(MAX_EXTENSIONS):
        kind = block[156]
        if kind not in b"xgXLK":
            break
        data = _extension(tape, _number(block[124:136]))
        if kind == ord("L"):
            said["path"] = _text(data.rstrip(b"\0"))
        elif kind in b"xX":
            said |= _pax(data)
        elif kind == ord("g"):
            overall |= _pax(data)
        block = tape.read(TAR_BLOCK)
        if len(block) < TAR_BLOCK or not tar_checksum_holds(block):
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's header is damaged.")
    else:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member has too many extended headers.")
    said = overall | said
    size = _decimal(said["size"]) if said.get("size") else _number(block[124:136])
    if kind == SPARSE:
        _skip_sparse_map(tape, block)
    sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in said)
    name = said.get("GNU.sparse.name") or said.get("path") or _name(block)
    if kind in NO_DATA:
        size = 0
    elif kind == 0 and name.endswith("/") and not size:  # a folder of the old format
        kind = FOLDER
    member = TarMember(name, tape.at, size, kind not in SPECIAL and not sparse)
    return member, kind, tape.at + -(-size // TAR_BLOCK) * TAR_BLOCK


def _extension(tape: Tape, size: int) -> bytes:
    """The data of an extended header, padding taken off."""
    if size > MAX_EXTENSION:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "An extended header is larger than 1 MiB.")
    data = tape.read(-(-size // TAR_BLOCK) * TAR_BLOCK)
    return data[:size]


def _pax(data: bytes) -> Mapping[str, str]:
    """Records: a length, a blank, key=value and a newline (pax, Extended Header)."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at]:
        digits, _, _ = data[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length - 1]
        key, equals, value = record.partition(b"=")
        if not equals or data[at + length - 1 : at + length] != b"\n":
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "An extended header can't be read.")
        records[_text(key)] = _text(value)
        at += length
    return MappingProxyType(records)


def _skip_sparse_map(tape: Tape, block: bytes) -> None:
    """GNU's old sparse files: more of the map may follow the header."""
    more = block[482]
    while more:
        block = tape.read(TAR_BLOCK)
        if len(block) < TAR_BLOCK:
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A sparse file's map ends early.")
        more = block[504]


def _number(field: bytes) -> int:
    """Octal digits; or, marked by its first bit, a number in base 256 (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] & 0x40 or value >> 63:
            raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's size is impossible.")
        return value
    digits = field.split(b"\0")[0].strip()
    if digits and (not digits.isdigit() or set(digits) & set(b"89")):
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's size is no number.")
    return int(digits or b"0", 8)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's size is no number.")
    return int(text)


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].split(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _text(name)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
