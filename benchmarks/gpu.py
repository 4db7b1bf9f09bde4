"""A release on a GPU: plans built, scores beside the CPU's, images a second beside the roofline.

    python -m benchmarks.gpu [--quick] [--json] [--plans DIR | --without-plans]

On a machine with a GPU where `tensorrt` is installed (docs/deploy.md), onnx and onnxruntime too. Plans
are built into DIR, or kept where they are right. The whole ensemble, then every graph alone, without
Triton and with all tensors staying on the GPU. Where TensorRT cannot be had, `--without-plans` has
onnxruntime run the graphs that plans are built from. Not among the benchmarks that `make bench` runs.
"""

import ctypes
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import roofline
from benchmarks import without_plans as without
from benchmarks.paired import Row, parser, show
from mammo import phantoms
from mammo.findings import RawView, probability
from mammo.phantoms import Resolution
from mammo.prepare import prepare_gray
from triton_repo import canary, cuda, plans, reference
from triton_repo.compiler import BATCHES
from triton_repo.contract import Step, Tensor, answer
from triton_repo.graphs import Graphs
from triton_repo.release import (
    DEFAULT_DIR,
    Answer,
    Manifest,
    Release,
    ReleaseError,
    default_name,
    load,
)

SEED = 20261202  # no block of training's (docs/training.md)
STUDIES, FEW = 8, 1  # of four views
ROUNDS, WARM = 50, 5  # batches
MOST = BATCHES[-1]
DTYPES = {"UINT8": np.uint8, "FP32": np.float32, "INT32": np.int32}


class Planned:
    """The plans of a release, as contexts."""

    def __init__(self, folder: Path, trt: Any) -> None:
        """`trt`: the module tensorrt."""
        self._folder = folder
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engines: list[Any] = []  # each is kept for as long as its context is used

    def __call__(self, model: str, _stream: int) -> Any:
        """The context of a model."""
        plan = plans.plan_file(self._folder, model).read_bytes()
        self._engines.append(self._runtime.deserialize_cuda_engine(plan))
        return self._engines[-1].create_execution_context()


class OnGpu:
    """The graphs of a release; all tensors of the ensemble lie on the GPU, for MOST images."""

    def __init__(self, release: Release, context: Callable[[str, int], Any], driver: Any) -> None:
        """`context`: TensorRT's or one like it, of a model and a stream; `driver`: CUDA's."""
        self.release, self._driver = release, driver
        self._places: dict[str, ctypes.c_uint64] = {}
        self._stream = self._started()
        self._contexts = {
            step.model.name: context(step.model.name, self._stream) for step in release.steps
        }
        for step in self.release.steps:
            for tensor, name in _named(step):
                place = self._place(name, tensor)
                self._contexts[step.model.name].set_tensor_address(tensor.name, place.value)

    def __call__(self, images: NDArray[np.uint8]) -> list[RawView]:
        """The answers to at most MOST prepared views, uint8 (n, 1, height, width)."""
        images = np.ascontiguousarray(images)
        self._copy("cuMemcpyHtoD_v2", self._places["image"], images)
        self.run(self.release.steps, len(images))
        told = {}
        for tensor in self.release.manifest.ensemble.outputs:
            value = np.empty((len(images), *tensor.dims), DTYPES[tensor.dtype])
            self._copy("cuMemcpyDtoH_v2", self._places[tensor.name], value)
            told[tensor.name] = value
        return [answer({name: v[n] for name, v in told.items()}) for n in range(len(images))]

    def run(self, steps: Sequence[Step], batch: int, rounds: int = 1) -> float:
        """Seconds that the steps take, one after the other, on what lies there."""
        for step in steps:
            for tensor in step.model.inputs:
                shape = (batch, *tensor.dims)
                self._contexts[step.model.name].set_input_shape(tensor.name, shape)
        cuda.call(self._driver.cuCtxSynchronize)
        began = time.perf_counter()
        for _ in range(rounds):
            for step in steps:
                self._contexts[step.model.name].execute_async_v3(self._stream)
        cuda.call(self._driver.cuCtxSynchronize)
        return time.perf_counter() - began

    def _started(self) -> int:
        """A stream in the context that TensorRT uses too."""
        device, context, stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        cuda.call(self._driver.cuDeviceGet, ctypes.byref(device), 0)
        cuda.call(self._driver.cuDevicePrimaryCtxRetain, ctypes.byref(context), device)
        cuda.call(self._driver.cuCtxSetCurrent, context)
        cuda.call(self._driver.cuStreamCreate, ctypes.byref(stream), 0)
        return stream.value or 0

    def _place(self, name: str, tensor: Tensor) -> ctypes.c_uint64:
        if name not in self._places:
            self._places[name] = ctypes.c_uint64()
            size = MOST * np.empty(tensor.dims, DTYPES[tensor.dtype]).nbytes
            place = ctypes.byref(self._places[name])
            cuda.call(self._driver.cuMemAlloc_v2, place, ctypes.c_size_t(size))
        return self._places[name]

    def _copy(self, how: str, there: ctypes.c_uint64, here: NDArray[Any]) -> None:
        address = ctypes.c_void_p(here.ctypes.data)
        ends = (there, address) if how == "cuMemcpyHtoD_v2" else (address, there)
        cuda.call(getattr(self._driver, how), *ends, ctypes.c_size_t(here.nbytes))


def _named(step: Step) -> list[tuple[Tensor, str]]:
    """A step's tensors with the ensemble's names; one that nothing reads has a place of its own."""
    known = step.reads | step.writes
    tensors = (*step.model.inputs, *step.model.outputs)
    return [(t, known.get(t.name, f"{t.name} of {step.model.name}")) for t in tensors]


def views(release: Release, studies: int) -> NDArray[np.uint8]:
    """The canary's picture and views of phantoms, (n, 1, height, width)."""
    cv2.setNumThreads(1)
    manifest = release.manifest
    drawn = [
        prepare_gray(image.gray(), manifest.preparation, image.laterality).tensor
        for plan in phantoms.plan(studies, SEED)
        for image in phantoms.render(plan, Resolution.WORKING)
    ]
    return np.stack([canary.image(manifest.sizes), *drawn])


def compared(on_gpu: OnGpu, images: NDArray[np.uint8]) -> list[Row]:
    """Rows: answers and probabilities beside the CPU's, and the CPU's own speed."""
    graphs, manifest = Graphs.of(on_gpu.release), on_gpu.release.manifest
    began = time.perf_counter()
    right = [graphs(image) for image in images]
    on_cpu = len(images) / (time.perf_counter() - began)
    got = [
        one for first in range(0, len(images), MOST) for one in on_gpu(images[first : first + MOST])
    ]
    off, move = apart(right, got, manifest)
    allowed = manifest.reference.tolerances["tensorrt"]
    speed = MOST * ROUNDS / on_gpu.run(on_gpu.release.steps, MOST, ROUNDS)
    alike = len(images) - len(off)
    for number, why in off.items():
        print(f"view {number}: {why}", file=sys.stderr)
    return [
        Row(
            "views with the CPU's answer", alike, len(images), "views", alike / len(images), 1.0,
            f"all; scores within {allowed.score:g}, boxes within {allowed.box:g} pixels",
        ),
        Row(
            "largest move of a view's probability", move, allowed.score, "share",
            allowed.score / max(move, 1e-9), 1.0, "the release's tolerance, at most",
        ),
        Row(
            f"ensemble, batch {MOST}", speed, on_cpu, "images/s", speed / on_cpu, None,
            "onnxruntime, one thread",
        ),
    ]  # fmt: skip


def apart(
    right: Sequence[RawView], got: Sequence[RawView], manifest: Manifest
) -> tuple[dict[int, str], float]:
    """What is wrong with views, by number, and how far the probability of one is off at most.

    Places that the release would not mark change with every rounding and are not compared.
    """
    allowed = manifest.reference.tolerances["tensorrt"]
    off = {
        number: why
        for number, (a, b) in enumerate(zip(right, got, strict=True))
        if (why := reference.difference(Answer.of(a), b, allowed))
    }
    p = np.array(
        [[probability(raw, manifest.calibration) for raw in side] for side in (right, got)]
    )
    return off, float(np.abs(p[0] - p[1]).max())


def beside_roofline(on_gpu: OnGpu, card: roofline.Card) -> list[Row]:
    """Rows: each graph and all of them, by batch, beside the least time that the card needs."""
    release, precision = on_gpu.release, on_gpu.release.manifest.precision
    works = {
        name: roofline.work(path, release.planned[name]) for name, path in release.graphs.items()
    }
    rows = []
    for steps in (*((step,) for step in release.steps), release.steps):
        case = steps[0].model.name if len(steps) == 1 else "all of them"
        flops = sum(works[step.model.name].flops for step in steps)
        for batch in BATCHES:
            on_gpu.run(steps, batch, WARM)
            ours = batch * ROUNDS / on_gpu.run(steps, batch, ROUNDS)
            least = sum(works[s.model.name].seconds(card, precision, batch) for s in steps)
            rows.append(
                Row(
                    f"{case}, batch {batch}", ours, 1 / least, "images/s", ours * least, None,
                    f"the card's roofline, {precision}, {flops / 1e9:.1f} GFLOP an image",
                )
            )  # fmt: skip
    return rows


def with_plans(release: Release, folder: Path) -> tuple[str, OnGpu]:
    """What runs, in words, and the plans; raises `ReleaseError` without a GPU, tensorrt or graphs."""
    gpu, version = plans.here()
    for model, built in plans.build(release, folder, gpu, version):
        print(f"{model}: built in {built.seconds:.0f} s", file=sys.stderr)
    import tensorrt  # noqa: PLC0415 -- only where there is a GPU

    planned = Planned(folder / release.manifest.name, tensorrt)
    return f"TensorRT {version}", OnGpu(release, planned, cuda.driver())


def without_plans(release: Release) -> tuple[str, OnGpu]:
    """The same with onnxruntime; raises `ReleaseError` without a GPU, its CUDA or graphs."""
    driver, version = cuda.driver(), without.version()
    lacking = plans.lacking(release)
    if lacking:
        raise ReleaseError(lacking)
    return version, OnGpu(release, lambda m, s: without.on_cuda(release.planned[m], s), driver)


def measured(on_gpu: OnGpu, gpu: cuda.Gpu, *, quick: bool) -> list[Row]:
    """All rows."""
    rows = compared(on_gpu, views(on_gpu.release, FEW if quick else STUDIES))
    if gpu.name in roofline.CARDS:
        return [*rows, *beside_roofline(on_gpu, roofline.CARDS[gpu.name])]
    print(
        f"The peaks of {gpu.name} are not in benchmarks/roofline.py: no roofline.", file=sys.stderr
    )
    return rows


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    takes = parser(__doc__ or "")
    how = takes.add_mutually_exclusive_group()
    how.add_argument("--plans", type=Path, default=Path("plans"), help="where plans are kept")
    how.add_argument("--without-plans", action="store_true", help="onnxruntime runs the graphs")
    given = takes.parse_args(arguments)
    try:
        release = load(DEFAULT_DIR / default_name(DEFAULT_DIR))
        version, on_gpu = (
            without_plans(release) if given.without_plans else with_plans(release, given.plans)
        )
        gpu = cuda.gpu(cuda.driver())
        rows = measured(on_gpu, gpu, quick=given.quick)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    show(f"On one {gpu.name}, {version}", rows, as_json=given.json)


if __name__ == "__main__":
    main()
