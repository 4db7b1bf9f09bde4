"""Memory that this process and a Triton of the same host both map.

The name of a region is only needed until the server has opened it, and is removed then: however
this process ends, nothing stays in /dev/shm. The server keeps its mapping until it is told, so
whoever meets a server tells it of regions whose owner is gone.
"""

import contextlib
import mmap
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

FOLDER = Path("/dev/shm")  # noqa: S108 -- the kernel's shared memory, not a temporary file
PREFIX = "nightread_client_"
_NAME = re.compile(PREFIX + r"(?P<pid>\d+)_[0-9a-f]+")
OPENING_S = 60.0  # a server opens a name within seconds: an older file is a killed client's


class Region:
    """Places for views of one size, which `name` stands for until `forget_name`."""

    def __init__(self, places: int, view_bytes: int) -> None:
        """Raises OSError when /dev/shm is full, or not there."""
        self.name = f"{PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.bytes = places * view_bytes
        # Where each place begins that no request holds.
        self.free = [number * view_bytes for number in range(places)]
        file = os.open(FOLDER / self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # All of it now: a full /dev/shm would end this process at its first write.
            os.posix_fallocate(file, 0, self.bytes)
            self._memory = np.frombuffer(mmap.mmap(file, self.bytes), np.uint8)
        except BaseException:
            self.forget_name()
            raise
        finally:
            os.close(file)

    def forget_name(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (FOLDER / self.name).unlink()

    @contextmanager
    def holding(self, view: NDArray[np.uint8]) -> Iterator[int]:
        """The offset at which `view` lies for as long as the block runs."""
        place = self.free.pop()
        try:
            self._memory[place : place + view.size] = view.ravel()
            yield place
        finally:
            # A request that was given up may still be read at the server: its answer is nobody's.
            self.free.append(place)


def abandoned(names: list[str]) -> list[str]:
    """Those of our regions that a server still maps for a process that is gone."""
    ours = [match for match in map(_NAME.fullmatch, names) if match]
    return [match[0] for match in ours if not psutil.pid_exists(int(match["pid"]))]


def sweep() -> None:
    """Remove the names that clients left which were killed before a server had opened them."""
    for path in FOLDER.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone by now
            there = path.stat()
            if there.st_uid == os.geteuid() and time.time() - there.st_mtime > OPENING_S:
                path.unlink()
