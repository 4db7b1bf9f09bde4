"""The child process that decodes for a worker (`ray_jobs/contained.py`)."""

import pickle
from dataclasses import dataclass, replace
from typing import NamedTuple

from mammo import plausible
from mammo.decode import decode
from mammo.pixel_error import PixelError
from mammo.prepare import Preparation, Prepared, prepare
from mammo.views import Laterality
from ray_jobs.bounded_serving import TOO_LARGE, peak_mb, refusal, serve
from ray_jobs.stages import Stages


class Request(NamedTuple):
    """How the file is to be prepared."""

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
    """The child's whole life."""
    serve(_answer)


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


def _answer(data: memoryview, message: bytes) -> bytes:
    request: Request = pickle.loads(message)  # noqa: S301 -- from who started this process
    stages = Stages()
    result: Prepared | PixelError
    try:
        result = prepared(data, request.laterality, request.preparation, stages)
    except Exception as error:  # noqa: BLE001 -- a fault of ours costs this image
        result = refusal(error)
    return pickle.dumps(Answer(result, dict(stages.seconds), peak_mb(), result is TOO_LARGE))
