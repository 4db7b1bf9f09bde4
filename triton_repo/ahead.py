"""Every graph compiled ahead of time for GPUs, on a machine without one.

TensorRT-RTX shares its parser's operators and its strong typing with the TensorRT that Triton
runs, and compiles for a GPU generation that is not here. That shows that a graph parses, has the
contract's tensors, and has a kernel for each of its operators. It shows no score, no speed, and
no plan that Triton could load: those are built where the GPU is.

Needs tensorrt-rtx, which the extra `tensorrt` brings.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from triton_repo.contract import Dtype, Model, Tensor
from triton_repo.release import Release, ReleaseError

# By compute capability. TensorRT-RTX knows no SM90 (H100, H200): its neighbours must do.
GENERATIONS = {
    "SM80": "Ampere, A100 and A30",
    "SM86": "Ampere, A10 and A40",
    "SM89": "Ada, L4 and L40",
    "SM120": "Blackwell, RTX PRO",
}
_DTYPES: dict[str, Dtype] = {"UINT8": "UINT8", "FLOAT": "FP32", "INT32": "INT32"}


class Compiled(NamedTuple):
    """What became of one graph for one generation."""

    graph: str
    generation: str  # a key of GENERATIONS
    layers: int
    plan_bytes: int
    seconds: float  # parsing and compiling, imports included
    refused: str  # why there is no plan, or none that keeps the contract; empty: there is


class _Plan(NamedTuple):
    layers: int
    plan_bytes: int
    tensors: frozenset[Tensor]
    refused: str


def compiled(release: Release) -> Iterator[Compiled]:
    """Each graph of a release for each generation; raises `ReleaseError` without tensorrt-rtx."""
    if find_spec("tensorrt_rtx") is None:
        raise ReleaseError(
            "tensorrt-rtx is not installed: pip install 'nightread[tensorrt]' "
            "-c constraints.txt, then try again."
        )
    for model in (step.model for step in release.steps):
        path = release.graphs[model.name]
        for generation in GENERATIONS:
            began = perf_counter()
            plan = _alone(path, generation)
            refused = plan.refused or _strayed(plan, model)
            yield Compiled(
                model.name,
                generation,
                plan.layers,
                plan.plan_bytes,
                perf_counter() - began,
                refused,
            )


def _strayed(plan: _Plan, model: Model) -> str:
    wanted = frozenset((*model.inputs, *model.outputs))
    strange = ", ".join(sorted({tensor.name for tensor in plan.tensors ^ wanted}))
    return f"not the contract's tensors: {strange}" if strange else ""


def _alone(path: Path, generation: str) -> _Plan:
    """A process each: a compilation that failed makes the plans after it larger."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(_plan, path, generation).result()
        except BrokenProcessPool:
            return _Plan(0, 0, frozenset(), "the compiler crashed")


def _plan(path: Path, generation: str) -> _Plan:
    import tensorrt_rtx as trt  # noqa: PLC0415 -- an extra

    said: list[str] = []

    class Errors(trt.ILogger):  # type: ignore[misc]
        def log(self, severity: Any, message: str) -> None:
            if severity in (self.ERROR, self.INTERNAL_ERROR):
                said.append(message)

    logger = Errors()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        errors = [parser.get_error(n) for n in range(parser.num_errors)]
        why = "; ".join(f"{error.node_operator()}: {error.desc()}" for error in errors)
        return _Plan(0, 0, frozenset(), f"does not parse: {why}")
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, generation), 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return _Plan(network.num_layers, 0, frozenset(), said[-1] if said else "no plan")
    ends = [network.get_input(n) for n in range(network.num_inputs)]
    ends += [network.get_output(n) for n in range(network.num_outputs)]
    tensors = frozenset(
        Tensor(end.name, _DTYPES.get(end.dtype.name, end.dtype.name), tuple(end.shape)[1:])
        for end in ends
    )
    return _Plan(network.num_layers, plan.nbytes, tensors, "")
