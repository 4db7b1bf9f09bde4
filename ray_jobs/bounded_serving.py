"""The child's side of `ray_jobs/bounded_child.py`: bounds are set before the first file is seen."""

import mmap
import resource
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import cv2

from mammo.codes import Reason
from mammo.pixel_error import PixelError
from ray_jobs.bounded_child import PLACE

TOO_LARGE = PixelError(
    Reason.TOO_LARGE,
    "decoding wants more memory than a study may use: raise NIGHTREAD_STUDY_MEMORY_MB",
)

Answering = Callable[[memoryview, bytes], bytes]  # of a file and a request


def serve(answer: Answering) -> None:
    """An answer for each request, until who asks is gone.

    Started with the numbers of a socket and a mapped memory, and the bounds to keep.
    """
    number, mapping, memory_mb, cpu_seconds = sys.argv[1:]
    channel, region = Connection(int(number)), int(mapping)
    cv2.setNumThreads(1)
    bound = _address_space() + (int(memory_mb) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's image
    channel.send_bytes(b"ready")
    mapped, mapped_size = memoryview(b""), 0
    while True:
        try:
            message = channel.recv_bytes()
        except (EOFError, OSError):
            return
        length, size = PLACE.unpack_from(message)
        if size != mapped_size:
            mapped_size = size
            mapped = memoryview(mmap.mmap(region, size, prot=mmap.PROT_READ))
        _grant(float(cpu_seconds))
        channel.send_bytes(answer(mapped[:length], message[PLACE.size :]))


def refusal(error: Exception) -> PixelError:
    """What kept an image from being used, in words that are safe to log."""
    if isinstance(error, PixelError):
        return PixelError(error.reason, error.detail)  # without its traceback
    if isinstance(error, MemoryError):
        return TOO_LARGE
    if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
        return TOO_LARGE
    # Where our own code failed; the error's text could quote a patient's data.
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
    return PixelError(Reason.DECODE_CRASHED, f"a fault of ours, not the file's: {where}")


def _address_space() -> int:
    """Bytes that this process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * mmap.PAGESIZE


def peak_mb() -> int:
    """The most that this process had resident; `getrusage` counts what forked it, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) >> 10


def _grant(cpu_seconds: float) -> None:
    """CPU time for the next image, beyond what was used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime + cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
