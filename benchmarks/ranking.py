"""The list's order: of the ten plainest malignant studies, how many stand in the upper half.

    python -m benchmarks.ranking [--quick] [--json]

Archives of 24 phantom studies, each of a seed that nothing was trained or fitted on, drawn at
working size and scored by the shipped release's graphs as `nightread demo --studies 24` scores
them. Plainest: of the highest d' (docs/phantoms.md). Needs onnxruntime (the extra `local`).
"""

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import NamedTuple

import cv2

from benchmarks.paired import Row, as_a_worker, parser, show
from mammo import phantoms
from mammo.findings import probability
from mammo.phantoms import Resolution
from mammo.phantoms.plan import Label
from mammo.prepare import prepare_gray
from mammo.scoring import highest
from nightread.releases import newest
from triton_repo.graphs import Graphs
from triton_repo.release import DEFAULT_DIR, Manifest, load

SEEDS = (20261124, 7, 77, 501, 1001, 1002, 2001, 2002, 2003, 2004, 2005, 2006)
STUDIES = 24
PLAINEST = 10
WANTED = 8  # of them, in the upper half
PROCESSES = 2


class Study(NamedTuple):
    """A study as it is, and as it is scored."""

    strength: float  # d' of its plainest malignant lesion; 0.0 without one
    probability: float


def scored(seed: int, index: int) -> Study:
    """One study of a seed's archive."""
    graphs, manifest = _release()
    plan = phantoms.plan(STUDIES, seed)[index]
    strengths, found = [0.0], []
    for image in phantoms.render(plan, Resolution.WORKING):
        view = prepare_gray(image.gray(), manifest.preparation, image.laterality)
        found.append(probability(graphs(view.tensor), manifest.calibration))
        strengths += [one.detectability for one in image.lesions if one.malignant]
    assert (plan.label is Label.MALIGNANT) == (len(strengths) > 1)
    return Study(max(strengths), highest(found))


@cache
def _release() -> tuple[Graphs, Manifest]:
    cv2.setNumThreads(1)
    held = load(DEFAULT_DIR / newest(DEFAULT_DIR))
    return Graphs.of(held), held.manifest


def in_upper_half(studies: list[Study]) -> int:
    """How many of the plainest stand there; of equals the healthy one stands first."""
    order = sorted(studies, key=lambda one: (-one.probability, one.strength))
    plainest = sorted(studies, key=lambda one: -one.strength)[:PLAINEST]
    return sum(order.index(one) < len(studies) // 2 for one in plainest)


def measure(*, quick: bool) -> list[Row]:
    """Rows: each archive, and all of them."""
    seeds = SEEDS[:1] if quick else SEEDS
    every = [(seed, index) for seed in seeds for index in range(STUDIES)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        done = list(pool.map(scored, *zip(*every, strict=True), chunksize=3))
    hits = [in_upper_half(done[first : first + STUDIES]) for first in range(0, len(done), STUDIES)]
    goal = "wanted, in each archive"
    rows = [
        Row(f"seed {seed}", n, WANTED, f"of {PLAINEST}", n / WANTED, None, goal)
        for seed, n in zip(seeds, hits, strict=True)
    ]
    mean = sum(hits) / len(hits)
    kept = sum(n >= WANTED for n in hits)
    return [
        *rows,
        Row(
            f"mean of {len(hits)} archives", mean, PLAINEST / 2, f"of {PLAINEST}",
            mean / (PLAINEST / 2), None, "an order by chance",
        ),
        Row(
            f"archives with {WANTED} and more", kept, len(hits), "archives",
            kept / len(hits), 1.0, "all of them",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    as_a_worker()
    show("The list's order", measure(quick=given.quick), as_json=given.json)
