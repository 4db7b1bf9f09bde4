"""An archive read from its beginning to its end, whether it is compressed as a whole or not."""

from collections.abc import Iterator
from typing import Protocol

from mammo.header import FIRST_READ
from mammo.members import Method
from ray_jobs.archive.expand import STEP, Fetch, chunks, expanded

READ_AHEAD = FIRST_READ + (1 << 12)  # a tar header, a name and the first read of a DICOM header


class Tape(Protocol):
    """Bytes in order. `at`: of the next one."""

    at: int
    end: int | None  # where it ends; None: not known

    def read(self, length: int) -> bytes:
        """The next `length` bytes, fewer at the end."""
        ...

    def skip_to(self, at: int) -> None:
        """Go on at `at`, or at the end where that is before."""
        ...


class Ranged:
    """A tape that lies open: what is skipped is not read."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self.at = 0
        self.end: int | None = size
        self._size = size
        self._fetch = fetch
        self._begin = 0
        self._buffer = b""

    def read(self, length: int) -> bytes:
        stop = min(self.at + length, self._size)
        if not self._begin <= self.at <= stop <= self._begin + len(self._buffer):
            self._begin = self.at
            ahead = min(max(stop, self.at + READ_AHEAD), self._size)
            self._buffer = self._fetch(self.at, ahead)
        piece = self._buffer[self.at - self._begin : stop - self._begin]
        self.at = stop
        return piece

    def skip_to(self, at: int) -> None:
        self.at = min(at, self._size)


class Expanded:
    """A tape that is compressed: what is skipped is expanded and dropped. One pass, no way back.

    Reading raises `ArchiveFault` as `expand.expanded` does.
    """

    def __init__(self, fetch: Fetch, size: int, method: Method) -> None:
        self.at = 0
        self.end: int | None = None
        self.taken = 0  # compressed bytes so far, to `STEP`
        self._pieces: Iterator[bytes] = expanded(method, self._steps(fetch, size))
        self._piece = b""
        self._used = 0

    def read(self, length: int) -> bytes:
        taken: list[bytes] = []
        left = length
        while left and self._more():
            part = self._piece[self._used : self._used + left]
            self._used += len(part)
            left -= len(part)
            taken.append(part)
        self.at += length - left
        return b"".join(taken)

    def skip_to(self, at: int) -> None:
        while self.at < at and self._more():
            step = min(at - self.at, len(self._piece) - self._used)
            self._used += step
            self.at += step

    def _steps(self, fetch: Fetch, size: int) -> Iterator[bytes]:
        for chunk in chunks(fetch, size):
            for at in range(0, len(chunk), STEP):
                step = chunk[at : at + STEP]
                self.taken += len(step)
                yield step

    def _more(self) -> bool:
        """Whether there is a byte to take."""
        while self._used == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._piece, self._used = piece, 0
        return True
