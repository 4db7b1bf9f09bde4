"""Where a member of an archive object lies, and what its name may look like."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mammo.codes import Flag

LONGEST_NAME = 1024  # characters: S3's own limit for a key
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]|^[/\\]|^[A-Za-z]:[/\\]")


class Method(StrEnum):
    """How the bytes of a member are kept."""

    STORED = "stored"  # in a tar, or uncompressed in a zip
    DEFLATE = "deflate"  # alone in a zip
    GZIP = "gzip"  # in a tar that is compressed as a whole
    ZSTD = "zstd"


STREAMED = frozenset({Method.GZIP, Method.ZSTD})  # what lies before a member is read too


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member's bytes are.

    offset: of the first one, in the object; with `gzip` and `zstd`, in what it expands to.
    """

    method: Method
    offset: int
    length: int  # bytes there
    size: int  # bytes of the member itself
    crc32: int | None = None  # of the member, where the archive states it


def name_flags(name: str) -> tuple[Flag, ...]:
    """Whether a name is one that a file system would not take at its word.

    It is accepted all the same: a name is data here, and must not hide a case.
    """
    odd = (
        not name
        or len(name) > LONGEST_NAME
        or _ODD.search(name) is not None
        or ".." in re.split(r"[/\\]", name)
    )
    return (Flag.W_MEMBER_NAME,) if odd else ()
