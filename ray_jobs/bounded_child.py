"""A child process that is given a file and answers with bytes, within bounds on time and memory.

The file goes over in memory that both map, request and answer through a socket. What the bytes
mean is its users' affair: `ray_jobs/contained.py` decodes for the model, a preview's for readers.
"""

import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from mammo.codes import Reason
from ray_jobs.faults import DecoderLost

CPU_SECONDS = 60  # an image: the largest real one in JPEG 2000 takes 6, one at the bound 30
WALL_FACTOR = 10  # a machine may be busy: then this many times as long by the clock
FIRST_BYTES = 32 << 20  # of the memory that both map; it grows with the files
START_S = 120.0  # imports take 0.5 s where nothing else runs
PLACE = struct.Struct("<qq")  # bytes of the file, and of the memory that both map


class Died(Exception):  # noqa: N818 -- a state of affairs
    """The child is gone without an answer."""

    def __init__(self, by: int, code: int, peak_mb: int, *, overdue: bool) -> None:
        super().__init__()
        late = overdue or by == signal.SIGXCPU
        name = signal.Signals(by).name if by else f"exit code {code}"
        self.killed = by == signal.SIGKILL and not overdue  # from outside: not the file's fault
        self.reason = Reason.DECODE_TIMEOUT if late else Reason.DECODE_CRASHED
        self.how = (
            f"({name} at stage decode, peak {peak_mb} MB): if memory was short, "
            "raise NIGHTREAD_STUDY_MEMORY_MB"
        )


class BoundedChild:
    """The child, started when it is needed, and again when it died."""

    def __init__(
        self,
        module: str,
        memory_mb: int,
        cpu_seconds: float,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        """`module` has a `main`, which calls `ray_jobs.bounded_serving.serve`."""
        self.peak_mb = 0  # of any child so far that died
        self.fresh = True  # the child has answered nothing yet
        self._module = module
        self._memory_mb = memory_mb
        self._cpu_seconds = cpu_seconds
        self._environment = environment
        self._region = os.memfd_create("dicom")
        self._size = self._length = 0
        self._mapped: mmap.mmap | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The child's process number, while there is one."""
        return self._child.pid if self._child else None

    def put(self, data: bytes) -> None:
        """The file that is asked about next."""
        if len(data) > self._size or self._mapped is None:
            if self._mapped:
                self._mapped.close()
            self._size = max(FIRST_BYTES, 1 << len(data).bit_length())
            os.ftruncate(self._region, self._size)
            self._mapped = mmap.mmap(self._region, self._size)
        self._mapped[: len(data)] = data
        self._length = len(data)

    def ask(self, request: bytes) -> bytes:
        """The child's answer about the file. Raises `Died`, and `DecoderLost` if it can't start."""
        if self._channel is None:
            self._start()
        assert self._channel is not None
        wall = WALL_FACTOR * self._cpu_seconds
        try:
            self._channel.send_bytes(PLACE.pack(self._length, self._size) + request)
            if self._channel.poll(wall):
                return self._channel.recv_bytes()
        except (EOFError, OSError):
            raise self._buried(overdue=False) from None
        raise self._buried(overdue=True)

    def end(self) -> None:
        """End the child; the next question starts another."""
        if self._child and self._channel:
            self._channel.close()
            self._child.kill()
            self._child.wait()
        self._child = self._channel = None

    def close(self) -> None:
        """End the child and give the memory back."""
        self.end()
        if self._mapped:
            self._mapped.close()
        os.close(self._region)
        self._mapped = None

    def _start(self) -> None:
        ours, its = socket.socketpair()
        bounds = (its.fileno(), self._region, self._memory_mb, self._cpu_seconds)
        with its:
            self._child = subprocess.Popen(  # noqa: S603 -- this interpreter, our own module
                [
                    *(sys.executable, "-P", "-c", f"from {self._module} import main; main()"),
                    *map(str, bounds),
                ],
                env=dict(self._environment()),
                pass_fds=(its.fileno(), self._region),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # codecs print what they find in a file
            )
        self._channel = Connection(ours.detach())
        self.fresh = True
        if not self._ready():
            died = self._buried(overdue=True)
            raise DecoderLost(f"the decoder's child does not start {died.how}")

    def _ready(self) -> bool:
        """Wait for the child's first word."""
        assert self._channel is not None
        try:
            return self._channel.poll(START_S) and bool(self._channel.recv_bytes())
        except (EOFError, OSError):
            return False

    def _buried(self, *, overdue: bool) -> Died:
        assert self._child is not None
        assert self._channel is not None
        if overdue:
            os.kill(self._child.pid, signal.SIGKILL)  # Popen's own might take its status away
        self._channel.close()
        _, status, usage = os.wait4(self._child.pid, 0)
        self._child.returncode = code = os.waitstatus_to_exitcode(status)
        self._child = self._channel = None
        peak_mb = usage.ru_maxrss >> 10
        self.peak_mb = max(self.peak_mb, peak_mb)
        return Died(-code if code < 0 else 0, code, peak_mb, overdue=overdue)


def way_to_modules() -> dict[str, str]:
    """What lets a child find our own modules."""
    return {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
