"""One ONNX graph made into a plan: the few calls into TensorRT, or into TensorRT-RTX.

The two share the names of their functions. TensorRT builds for the GPU that is there, and keeps
what it timed in a cache. TensorRT-RTX compiles for GPUs that are not there, times nothing, and
its plans are for its own runtime: Triton cannot load them.
"""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

from triton_repo.configs import MAX_BATCH
from triton_repo.contract import Dtype, Model, Tensor

Compiler = Literal["tensorrt", "tensorrt_rtx"]  # modules that pip or NVIDIA's containers bring

# The smallest, usual and largest batch that a plan is made for: kernels are chosen for the usual
# one, which is a study's four views, sent together (`ray_jobs/inference/client.py`).
BATCHES = (1, 4, MAX_BATCH["tensorrt"])
ANY = -1  # a dimension that is known when the plan runs
_DTYPES: dict[str, Dtype] = {"UINT8": "UINT8", "FLOAT": "FP32", "INT32": "INT32"}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be compiled."""

    graph: Path
    by: Compiler
    generation: str = ""  # SM86 and the like, for TensorRT-RTX alone; else the GPU that is there
    timings: bytes = b""  # TensorRT's timing cache of earlier plans


class Plan(NamedTuple):
    """What became of an order."""

    data: bytes
    layers: int
    batch: frozenset[int]  # first dimensions of inputs and outputs, ANY where it is free
    tensors: frozenset[Tensor]
    timings: bytes  # the timing cache with what this plan added
    refused: str  # why there is no plan; empty: there is


def made(order: Order) -> Plan:
    """The plan, by a process of its own.

    A crash then costs one plan. TensorRT-RTX makes the plans after a failed one larger, too.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(_made, order).result()
        except BrokenProcessPool:
            return _refused("the compiler crashed")


def strayed(plan: Plan, model: Model, *, any_batch: bool) -> str:
    """In what the plan's tensors are not the contract's, in words; empty where they are."""
    wanted = frozenset((*model.inputs, *model.outputs))
    strange = ", ".join(sorted({tensor.name for tensor in plan.tensors ^ wanted}))
    if strange:
        return f"not the contract's tensors: {strange}"
    if plan.batch != {ANY if any_batch else 1}:
        found = ", ".join("any" if n == ANY else str(n) for n in sorted(plan.batch))
        return f"the batch is {found}, not {'any' if any_batch else '1'}, in each tensor"
    return ""


def _made(order: Order) -> Plan:
    trt = import_module(order.by)
    said: list[str] = []

    class Errors(trt.ILogger):  # type: ignore[misc, name-defined]
        def log(self, severity: Any, message: str) -> None:
            if severity in (self.ERROR, self.INTERNAL_ERROR):
                said.append(message)

    logger = Errors()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(order.graph)):
        errors = [parser.get_error(n) for n in range(parser.num_errors)]
        why = "; ".join(f"{error.node_operator()}: {error.desc()}" for error in errors)
        return _refused(f"does not parse: {why}")
    inputs = [network.get_input(n) for n in range(network.num_inputs)]
    outputs = [network.get_output(n) for n in range(network.num_outputs)]
    config = builder.create_builder_config()
    # Strongly typed means what the graph says: FP32 is not to be rounded to TensorFloat-32.
    config.clear_flag(trt.BuilderFlag.TF32)
    _profile(builder, config, inputs)
    if order.generation:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, order.generation), 0)
    timings = None if order.generation else _timings(config, order.timings)
    data = builder.build_serialized_network(network, config)
    if data is None:
        return _refused(said[-1] if said else "no plan", network.num_layers)
    ends = (*inputs, *outputs)
    return Plan(
        data=bytes(data),
        layers=network.num_layers,
        batch=frozenset(end.shape[0] for end in ends),
        tensors=frozenset(map(_tensor, ends)),
        timings=b"" if timings is None else bytes(timings.serialize()),
        refused="",
    )


def _profile(builder: Any, config: Any, inputs: Iterable[Any]) -> None:
    """Of a graph of any batch, what batches will come; others need no profile."""
    free = [end for end in inputs if end.shape[0] == ANY]
    if not free:
        return
    profile = builder.create_optimization_profile()
    for end in free:
        dims = tuple(end.shape)[1:]
        profile.set_shape(end.name, *((batch, *dims) for batch in BATCHES))
    config.add_optimization_profile(profile)


def _timings(config: Any, known: bytes) -> Any:
    """The cache that the plan reads and adds to; an empty one where TensorRT refuses `known`."""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _tensor(end: Any) -> Tensor:
    return Tensor(end.name, _DTYPES.get(end.dtype.name, end.dtype.name), tuple(end.shape)[1:])


def _refused(why: str, layers: int = 0) -> Plan:
    return Plan(b"", layers, frozenset(), frozenset(), b"", why)
