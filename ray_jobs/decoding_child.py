"""The child process that decodes for a worker (`ray_jobs/contained.py`)."""

import mmap
import resource
import sys
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import cv2

from mammo import plausible
from mammo.codes import Reason
from mammo.decode import decode
from mammo.pixel_error import PixelError
from mammo.prepare import Preparation, Prepared, prepare
from mammo.views import Laterality
from ray_jobs.stages import Stages

TOO_LARGE = PixelError(
    Reason.TOO_LARGE,
    "decoding wants more memory than a study may use: raise NIGHTREAD_STUDY_MEMORY_MB",
)


class Request(NamedTuple):
    """One file to prepare."""

    length: int  # bytes of the file, at the beginning of the mapped memory
    size: int  # of the mapped memory
    laterality: Laterality | None
    preparation: Preparation


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    result: Prepared | PixelError
    seconds: dict[str, float]  # by stage
    peak_mb: int  # the child's largest so far
    short: bool  # of memory, which other images before may have taken


def main() -> None:
    """Started with the numbers of a socket and a mapped memory, and the bounds to keep."""
    channel, region, memory_mb, cpu_seconds = sys.argv[1:]
    serve(Connection(int(channel)), int(region), int(memory_mb), float(cpu_seconds))


def serve(channel: Connection, region: int, memory_mb: int, cpu_seconds: float) -> None:
    """An answer for each request, until the worker is gone."""
    cv2.setNumThreads(1)
    bound = _address_space() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's image
    channel.send("ready")
    mapped, size = memoryview(b""), 0
    while True:
        try:
            request: Request = channel.recv()
        except (EOFError, OSError):
            return
        if request.size != size:
            size = request.size
            mapped = memoryview(mmap.mmap(region, size, prot=mmap.PROT_READ))
        _grant(cpu_seconds)
        stages = Stages()
        result = _result(mapped[: request.length], request, stages)
        channel.send(Answer(result, dict(stages.seconds), _peak_mb(), result is TOO_LARGE))


def prepared(
    data: bytes | memoryview, laterality: Laterality | None, params: Preparation, stages: Stages
) -> Prepared:
    """Decode and prepare a file in this process; the flags are those of both.

    Raises PixelError.
    """
    with stages("decode"):
        decoded = decode(data, half=params.half_jpeg_2000)
        plausible.check(decoded.pixels)
    view = prepare(decoded, laterality, params, stages)
    return replace(view, flags=decoded.flags + view.flags)


def _result(data: memoryview, request: Request, stages: Stages) -> Prepared | PixelError:
    try:
        return prepared(data, request.laterality, request.preparation, stages)
    except PixelError as error:
        return PixelError(error.reason, error.detail)  # without its traceback
    except MemoryError:
        return TOO_LARGE
    except cv2.error as error:
        return TOO_LARGE if error.code == cv2.Error.StsNoMem else _fault(error)
    except Exception as error:  # noqa: BLE001 -- a fault of ours costs this image
        return _fault(error)


def _fault(error: Exception) -> PixelError:
    """Where our own code failed; the error's text could quote a patient's data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
    return PixelError(Reason.DECODE_CRASHED, f"a fault of ours, not the file's: {where}")


def _address_space() -> int:
    """Bytes that this process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * mmap.PAGESIZE


def _peak_mb() -> int:
    """The most that this process had resident; `getrusage` counts what forked it, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) >> 10


def _grant(cpu_seconds: float) -> None:
    """CPU time for the next image, beyond what was used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime + cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
