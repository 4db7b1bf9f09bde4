"""What kind of bytes an object begins with, and where its data set starts."""

from typing import NamedTuple

from mammo.elements import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    UNDEFINED,
    VRS,
    Encoding,
    Short,
    head,
)

ARCHIVES = (  # magic numbers, at the offset before them
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"PK\x07\x08", "zip"),
    (257, b"ustar", "tar"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
)
PREAMBLE = 128  # bytes before DICM (PS3.10 7.1)
FIRST_GROUPS = (0x0002, 0x0004, 0x0008)  # in which a data set without DICM begins
LOOK_AT = 3  # elements, that must ascend
TAR_BLOCK = 512  # bytes; a member of a tar begins with one


class Start(NamedTuple):
    """Where to start reading."""

    at: int
    meta: bool  # file meta information is there
    encoding: Encoding  # of the first element


def archive(prefix: bytes) -> str | None:
    """The name of an archive's format."""
    found = next((name for at, magic, name in ARCHIVES if prefix.startswith(magic, at)), None)
    # The old format of tar has no magic number.
    old_tar = prefix[:1] != b"\0" and tar_checksum_holds(prefix[:TAR_BLOCK])
    return "tar" if found is None and old_tar else found


def tar_checksum_holds(block: bytes) -> bool:
    """Whether 512 bytes are the header of a tar member, by its own checksum (POSIX ustar)."""
    if len(block) < TAR_BLOCK:
        return False
    stated = block[148:156].split(b"\0")[0].strip()
    if not stated.isdigit() or set(stated) & set(b"89"):
        return False
    # The field itself counts as spaces. Old writers summed signed characters.
    rest = block[:148] + block[156:TAR_BLOCK]
    total = sum(rest) + 8 * 32
    negative = sum(byte > 127 for byte in rest)
    return int(stated, 8) in (total, total - 256 * negative)


def start(prefix: bytes) -> Start | None:
    """None: not DICOM.

    With DICM, whatever the preamble holds: it may make the file another one too (PS3.10 7.5).
    Without: file meta information, or a data set alone in any of the three encodings.
    """
    at = PREAMBLE + 4 if prefix[PREAMBLE : PREAMBLE + 4] == b"DICM" else 0
    if prefix[at : at + 2] == b"\x02\x00":
        encoding = EXPLICIT_LE if prefix[at + 4 : at + 6] in VRS else IMPLICIT_LE
        if at or plausible(prefix, at, encoding):
            return Start(at, meta=True, encoding=encoding)
    encoding_or_none = encoding_at(prefix, at)
    if encoding_or_none is None:
        # DICM and nothing readable is a broken DICOM file, not something else.
        return Start(at, meta=False, encoding=EXPLICIT_LE) if at else None
    return Start(at, meta=False, encoding=encoding_or_none)


def encoding_at(prefix: bytes, at: int) -> Encoding | None:
    """How the data set that begins at `at` is written; None if it is none."""
    return next(
        (e for e in (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE) if plausible(prefix, at, e)), None
    )


def plausible(prefix: bytes, at: int, encoding: Encoding) -> bool:
    """Whether elements begin at `at`: known VRs, tags that ascend from one of the first groups."""
    last = -1
    for seen in range(LOOK_AT):
        try:
            tag, vr, length, begin = head(prefix, at, encoding)
        except Short:
            return seen > 0
        known = encoding.implicit or (vr is not None and vr.encode() in VRS)
        if not known or tag <= last or (seen == 0 and tag >> 16 not in FIRST_GROUPS):
            return False
        if length == UNDEFINED or begin + length > len(prefix):
            return seen > 0
        last, at = tag, begin + length
    return True
