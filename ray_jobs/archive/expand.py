"""Bounded expansion: deflate (RFC 1951), gzip (RFC 1952) and Zstandard (RFC 8878).

Nothing is allocated by a length that an archive states, and nothing expands without end: what
comes out is at most `RATIO` times what went in, beyond an allowance.
"""

import functools
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import imagecodecs

from mammo.codes import Reason
from mammo.members import Method, Place
from ray_jobs.archive.fault import ArchiveFault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Fetch = Callable[[int, int], bytes]  # bytes from, to (exclusive) of an object

RATIO = 200  # real mammograms deflate to a half or a third, an almost empty one to 1:100
FREE = 1 << 34  # bytes that a stream may expand to beyond that: half a minute, for what follows
FREE_MEMBER = 1 << 20  # the same of one zip member
READERS = 8  # ranges that are got at a time: a read is a wait
CHUNK = 1 << 23  # bytes of a compressed stream that one ranged read gets
PIECE = 1 << 20  # bytes that come out at a time
STEP = 1 << 16  # compressed bytes that are expanded at a time
ZSTD_WINDOW_LOG = 27  # 128 MiB, the limit of the zstd command too; a frame may ask for 2 GiB

_codecs: Any = imagecodecs  # its stubs leave out `out`


def ratio_exceeded(expanded: int, compressed: int, free: int) -> bool:
    """Whether something expands beyond what is allowed."""
    return expanded > RATIO * compressed + free


def bomb() -> ArchiveFault:
    """Of a member that expands beyond `RATIO`."""
    return ArchiveFault(
        Reason.ARCHIVE_BOMB, f"A member expands to more than {RATIO} times its size."
    )


def inflate(data: bytes, place: Place) -> bytes:
    """A whole zip member, from its `place.length` bytes.

    Raises ArchiveFault: ARCHIVE_BOMB when it is longer than it says, ARCHIVE_CORRUPT when it is
    shorter or damaged, or its CRC-32 is another one.
    """
    if place.method is Method.DEFLATE:
        data = _inflated(data, place.size)
    if place.crc32 is not None and zlib.crc32(data) != place.crc32:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member is not what its checksum says.")
    return data


def _inflated(data: bytes, size: int) -> bytes:
    try:
        # libdeflate: twice as fast as zlib, which only finds out what is wrong.
        fast: bytes = _codecs.deflate_decode(data, raw=True, out=size)
    except imagecodecs.DeflateError:
        fast = b""
    if len(fast) == size and size:
        return fast
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data, size + 1)
    except zlib.error:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member's compressed data are damaged.") from (
            None
        )
    if len(plain) > size:
        raise ArchiveFault(Reason.ARCHIVE_BOMB, "A member expands beyond the size that it states.")
    if len(plain) < size or not inflater.eof:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member ends before the size that it states.")
    return plain


class DeflatedPrefix:
    """The beginning of a deflated zip member, grown as far as it is asked for."""

    def __init__(self, fetch: Fetch, place: Place) -> None:
        self._fetch = fetch  # of the member's compressed bytes
        self._place = place
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._data = bytearray()

    def __call__(self, length: int) -> bytes:
        """The first `length` bytes, fewer where the member ends before.

        Raises ArchiveFault (ARCHIVE_CORRUPT).
        """
        more = self._inflater.unconsumed_tail
        while len(self._data) < length and not self._inflater.eof:
            if not more:
                if self._taken >= self._place.length:
                    break
                if self._taken > 2 * length + FREE_MEMBER:  # blocks that hold nothing
                    raise ArchiveFault(
                        Reason.ARCHIVE_CORRUPT, "A member's compressed data expand to too little."
                    )
                end = min(self._taken + STEP, self._place.length)
                more = self._fetch(self._taken, end)
                self._taken = end
            try:
                self._data += self._inflater.decompress(more, length - len(self._data))
            except zlib.error:
                raise ArchiveFault(
                    Reason.ARCHIVE_CORRUPT, "A member's compressed data are damaged."
                ) from None
            more = self._inflater.unconsumed_tail
        return bytes(self._data[:length])


@functools.cache
def readers() -> ThreadPoolExecutor:
    """The threads of this process that wait for ranges of archives.

    One pool for all, which is never shut down: an archive that is given up half-way leaves its
    generators to the garbage collector, and a pool that is shut down from there can deadlock.
    """
    return ThreadPoolExecutor(READERS, thread_name_prefix="range")


def chunks(fetch: Fetch, size: int) -> Iterator[bytes]:
    """A whole object in order, each chunk fetched while the one before it is worked on."""
    ahead: Future[bytes] | None = None
    for start in range(0, size, CHUNK):
        here = ahead or readers().submit(fetch, start, min(start + CHUNK, size))
        after = start + CHUNK
        ahead = None
        if after < size:
            ahead = readers().submit(fetch, after, min(after + CHUNK, size))
        yield here.result()


def expanded(method: Method, compressed: Iterator[bytes]) -> Iterator[bytes]:
    """What a compressed stream expands to, in pieces of at most `PIECE` bytes.

    Raises ArchiveFault: ARCHIVE_CORRUPT (damaged, or it ends early), ARCHIVE_BOMB (it expands
    beyond `RATIO`), ARCHIVE_UNSUPPORTED (a window larger than 128 MiB).
    """
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for chunk in compressed:
            taken += len(chunk)
            yield chunk

    given = 0
    for piece in (_gunzip if method is Method.GZIP else _unzstd)(counted()):
        given += len(piece)
        if ratio_exceeded(given, taken, FREE):
            raise ArchiveFault(
                Reason.ARCHIVE_BOMB, f"The archive expands to more than {RATIO} times its size."
            )
        yield piece


def _gunzip(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Several gzip members may follow each other, and zeros the last one."""
    inflater: Any = None
    for chunk in compressed:
        data = chunk
        while data:
            if inflater is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                piece = inflater.decompress(data, PIECE)
            except zlib.error:
                raise _damaged() from None
            if inflater.eof:
                data, inflater = inflater.unused_data, None
            else:
                data = inflater.unconsumed_tail
            if piece:
                yield piece
    if inflater is not None:
        raise _ended()


def _unzstd(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Several frames may follow each other."""
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
    frame: zstd.ZstdDecompressor | None = None
    for chunk in compressed:
        data = chunk
        while data or (frame is not None and not frame.needs_input):
            frame = frame or zstd.ZstdDecompressor(options=options)
            try:
                piece = frame.decompress(data, PIECE)
            except zstd.ZstdError as error:
                if "too much memory" in str(error):
                    raise ArchiveFault(
                        Reason.ARCHIVE_UNSUPPORTED,
                        "The archive was compressed with a window of more than 128 MiB.",
                    ) from None
                raise _damaged() from None
            data = b""
            if frame.eof:
                data, frame = frame.unused_data, None
            if piece:
                yield piece
    if frame is not None:
        raise _ended()


def _damaged() -> ArchiveFault:
    return ArchiveFault(Reason.ARCHIVE_CORRUPT, "The archive's compressed data are damaged.")


def _ended() -> ArchiveFault:
    return ArchiveFault(Reason.ARCHIVE_CORRUPT, "The archive's compressed data end early.")
