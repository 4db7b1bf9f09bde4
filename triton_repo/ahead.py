"""Every graph compiled ahead of time for GPUs, on a machine without one.

TensorRT-RTX shares its parser's operators and its strong typing with the TensorRT that Triton
runs, and compiles for a GPU generation that is not here. That shows that a graph parses, has the
contract's tensors, and has a kernel for each of its operators. It shows no score, no speed, and
no plan that Triton could load: those are built where the GPU is (`plans.py`).

Needs tensorrt-rtx, which the extra `tensorrt` brings.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from time import perf_counter
from typing import NamedTuple

from triton_repo.compiler import Order, made, strayed
from triton_repo.release import Release, ReleaseError

# By compute capability. TensorRT-RTX knows no SM90 (H100, H200): its neighbours must do.
GENERATIONS = {
    "SM80": "Ampere, A100 and A30",
    "SM86": "Ampere, A10 and A40",
    "SM89": "Ada, L4 and L40",
    "SM120": "Blackwell, RTX PRO",
}


class Compiled(NamedTuple):
    """What became of one graph for one generation."""

    graph: str
    precision: str  # of its convolutions
    generation: str  # a key of GENERATIONS
    layers: int
    plan_bytes: int
    seconds: float  # parsing and compiling, imports included
    refused: str  # why there is no plan, or none that keeps the contract; empty: there is


def compiled(release: Release) -> Iterator[Compiled]:
    """Each graph of a release for each generation; raises `ReleaseError` without tensorrt-rtx.

    Those that plans are built from where the release has them, else the CPU's.
    """
    if find_spec("tensorrt_rtx") is None:
        raise ReleaseError(
            "tensorrt-rtx is not installed: pip install 'nightread[tensorrt]' "
            "-c constraints.txt, then try again."
        )
    for model in (step.model for step in release.steps):
        planned = model.name in release.planned
        path = (release.planned if planned else release.graphs)[model.name]
        for generation in GENERATIONS:
            began = perf_counter()
            plan = made(Order(path, "tensorrt_rtx", generation))
            refused = plan.refused or strayed(plan, model, any_batch=planned)
            yield Compiled(
                model.name,
                release.manifest.precision if planned else "FP32",
                generation,
                plan.layers,
                len(plan.data),
                perf_counter() - began,
                refused,
            )
