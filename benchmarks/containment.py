"""What decoding in a child process costs, against the same in this process.

    python -m benchmarks.containment [--quick] [--json]

CPU time of both processes together, on the images of `benchmarks.pixels`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import psutil

from benchmarks.paired import Row, as_a_worker, cpu_seconds, parser, show
from benchmarks.pixels import PARAMS, Case, made, ours, real
from ray_jobs.contained import Decoder
from ray_jobs.stages import Stages

MOST = 1.10  # times the CPU of the same work in one process
IMAGES = 10  # between two looks at the child's clock, which ticks every 10 ms


def _contained(decoder: Decoder, data: bytes) -> Any:
    return decoder.prepare(data, None, PARAMS, Stages())


def _both(work: Callable[[], Any], child: psutil.Process) -> float:
    """CPU seconds of this process and its child."""
    begin = sum(child.cpu_times()[:2])
    return cpu_seconds(work) + sum(child.cpu_times()[:2]) - begin


def _row(case: Case, decoder: Decoder, rounds: int) -> Row:
    _contained(decoder, case.data)
    ours(case.data)
    child = psutil.Process(decoder.child)
    contained = here = 0.0
    for _ in range(rounds):
        contained += _both(lambda: [_contained(decoder, case.data) for _ in range(IMAGES)], child)
        here += cpu_seconds(lambda: [ours(case.data) for _ in range(IMAGES)])
    scale = 1e3 / rounds / IMAGES
    bound = MOST * here * scale
    return Row(
        f"{case.name} in a child", contained * scale, bound, "ms CPU", bound / (contained * scale),
        1.0, "the same in this process, 1.1 times",
    )  # fmt: skip


def measure(*, quick: bool) -> list[Row]:
    """A row a syntax."""
    cv2.setNumThreads(1)
    decoder = Decoder(2048)
    try:
        run = partial(_row, decoder=decoder, rounds=1 if quick else 3)
        return [run(case) for case in made(quick=quick) + real(quick=True)]
    finally:
        decoder.close()


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    as_a_worker()
    show("Decoding in a child process", measure(quick=given.quick), as_json=given.json)
