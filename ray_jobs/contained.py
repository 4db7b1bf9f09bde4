"""Decoding and preparing in a child process: a codec's death costs one image, never its study.

A worker keeps one child. The file goes over in memory that both map, the tensor comes back
through a socket. The child has bounds on its CPU time and its address space, and none of the
worker's S3 credentials in its environment. This contains accidents: crashes, hangs, floods of
memory. docs/decisions/0005-decoding.md has the figures and what it does not contain.
"""

import mmap
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from mammo.codes import Reason
from mammo.pixel_error import PixelError
from mammo.prepare import Preparation, Prepared
from mammo.views import Laterality
from ray_jobs.decoding_child import Answer, Request
from ray_jobs.faults import DecoderLost
from ray_jobs.stages import Stages

CPU_SECONDS = 60  # an image: the largest real one in JPEG 2000 takes 6, one at the bound 30
WALL_FACTOR = 10  # a machine may be busy: then this many times as long by the clock
OUTSIDE_MB = 512  # of a study's memory: the worker itself, and the file twice
LEAST_MB = 256  # for decoding, whatever is left
FIRST_BYTES = 32 << 20  # of the memory that both map; it grows with the files
START_S = 120.0  # imports take 0.5 s where nothing else runs
STARTS = 2  # of a child for one image: being killed from outside is not the image's fault


class Decoder:
    """Prepares images in a child process of its own, which is started when it is needed."""

    def __init__(self, memory_mb: int, cpu_seconds: float = CPU_SECONDS) -> None:
        """`memory_mb`: what a study may use, NIGHTREAD_STUDY_MEMORY_MB."""
        self.peak_mb = 0  # of any child so far
        self._memory_mb = max(LEAST_MB, memory_mb - OUTSIDE_MB)
        self._cpu_seconds = cpu_seconds
        self._region = os.memfd_create("dicom")
        self._size = 0
        self._mapped: mmap.mmap | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._fresh = True  # the child has answered nothing yet
        self._channel: Connection | None = None

    def prepare(
        self, data: bytes, laterality: Laterality | None, params: Preparation, stages: Stages
    ) -> Prepared:
        """`prepare(decode(data), ...)`, its flags those of both.

        Raises PixelError, as `decode` does, and besides: DECODE_CRASHED when the child died,
        DECODE_TIMEOUT when it took longer than its time, TOO_LARGE when it wanted more memory.
        Raises DecoderLost for what says nothing against the file.
        """
        self._put(data)
        request = Request(len(data), self._size, laterality, params)
        how = ""
        for _ in range(STARTS):
            try:
                answer = self._asked(request)
            except _Died as died:
                if died.signal == signal.SIGKILL and not died.overdue:
                    how = died.how
                    continue
                raise PixelError(died.reason, f"{died.reason.line} {died.how}") from None
            fresh, self._fresh = self._fresh, False
            if answer.short and not fresh:  # what a heap of many images keeps is not this one's
                self._end()
                continue
            for stage, seconds in answer.seconds.items():
                stages.seconds[stage] += seconds
            self.peak_mb = max(self.peak_mb, answer.peak_mb)
            if isinstance(answer.result, PixelError):
                raise answer.result
            return answer.result
        raise DecoderLost(f"the decoder's child was killed {STARTS} times {how}")

    @property
    def child(self) -> int | None:
        """The child's process number, while there is one."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """End the child and give the memory back."""
        self._end()
        if self._mapped:
            self._mapped.close()
        os.close(self._region)
        self._mapped = None

    def _end(self) -> None:
        if self._child and self._channel:
            self._channel.close()
            self._child.kill()
            self._child.wait()
        self._child = self._channel = None

    def _put(self, data: bytes) -> None:
        if len(data) > self._size or self._mapped is None:
            if self._mapped:
                self._mapped.close()
            self._size = max(FIRST_BYTES, 1 << len(data).bit_length())
            os.ftruncate(self._region, self._size)
            self._mapped = mmap.mmap(self._region, self._size)
        self._mapped[: len(data)] = data

    def _asked(self, request: Request) -> Answer:
        if self._channel is None:
            self._start()
        assert self._channel is not None
        wall = WALL_FACTOR * self._cpu_seconds
        try:
            self._channel.send(request)
            if self._channel.poll(wall):
                answer: Answer = self._channel.recv()
                return answer
        except (EOFError, OSError):
            raise self._buried(overdue=False) from None
        raise self._buried(overdue=True)

    def _start(self) -> None:
        ours, its = socket.socketpair()
        with its:
            self._child = subprocess.Popen(  # noqa: S603 -- this interpreter, our own module
                [
                    *(
                        sys.executable,
                        "-P",
                        "-c",
                        "from ray_jobs.decoding_child import main; main()",
                    ),
                    *map(str, (its.fileno(), self._region, self._memory_mb, self._cpu_seconds)),
                ],
                env=bounded_environment(),
                pass_fds=(its.fileno(), self._region),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # codecs print what they find in a file
            )
        self._channel = Connection(ours.detach())
        self._fresh = True
        if not self._ready():
            died = self._buried(overdue=True)
            raise DecoderLost(f"the decoder's child does not start {died.how}")

    def _ready(self) -> bool:
        """Wait for the child's first word."""
        assert self._channel is not None
        try:
            return self._channel.poll(START_S) and bool(self._channel.recv())
        except (EOFError, OSError):
            return False

    def _buried(self, *, overdue: bool) -> "_Died":
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
        return _Died(-code if code < 0 else 0, code, peak_mb, overdue=overdue)


class _Died(Exception):  # noqa: N818 -- a state of affairs
    """The child is gone without an answer."""

    def __init__(self, by: int, code: int, peak_mb: int, *, overdue: bool) -> None:
        super().__init__()
        self.signal, self.overdue = by, overdue
        late = overdue or by == signal.SIGXCPU
        name = signal.Signals(by).name if by else f"exit code {code}"
        self.reason = Reason.DECODE_TIMEOUT if late else Reason.DECODE_CRASHED
        self.how = (
            f"({name} at stage decode, peak {peak_mb} MB): if memory was short, "
            "raise NIGHTREAD_STUDY_MEMORY_MB"
        )


def bounded_environment() -> dict[str, str]:
    """The worker's, without S3 credentials, and with the way to our own modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
