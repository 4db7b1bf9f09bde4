"""TensorRT's plans of a release: built where the GPU is, refused anywhere else.

A plan is machine code. It holds for one type of GPU and one version of TensorRT, so it is no part
of a release but lies beside a copy of its model repository, from which Triton is started:

    OUT/RELEASE/models/       the release's, with a model.plan beside each model.onnx
    OUT/RELEASE/plans.json    which release, GPU and TensorRT, and every plan by its SHA-256
    OUT/timings/              what TensorRT measured: the next build on such a machine is faster

Needs `tensorrt`, which NVIDIA's containers bring.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel, ConfigDict, ValidationError

from triton_repo import compiler, cuda
from triton_repo.compiler import Order
from triton_repo.contract import Model
from triton_repo.cuda import Gpu
from triton_repo.release import MODELS, Precision, Release, ReleaseError, sha256

PLANS, PLAN, TIMINGS = "plans.json", "model.plan", "timings"

Compile = Callable[[Path, bytes], compiler.Plan]  # of a graph, and the timings known so far


class Built(BaseModel):
    """One plan, and what it was built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    onnx: str  # SHA-256 of the graph
    seconds: float
    bytes: int


class Plans(BaseModel):
    """`plans.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str  # SHA-256 of its manifest
    gpu: str
    compute_capability: str
    tensorrt: str  # the version
    precision: Precision
    plans: dict[str, Built]  # by the model's name


def version() -> str:
    """The version of the TensorRT that is installed; raises `ReleaseError` where none is."""
    if find_spec("tensorrt") is None:
        raise ReleaseError(
            "tensorrt is not installed: run this on a machine with a GPU, in NVIDIA's container "
            "of the TensorRT version that Triton has (docs/deploy.md)."
        )
    return str(import_module("tensorrt").__version__)


def here() -> tuple[Gpu, str]:
    """The GPU and the TensorRT of this machine; raises `ReleaseError` where either is missing."""
    tensorrt = version()
    return cuda.gpu(cuda.driver()), tensorrt


def with_tensorrt(graph: Path, timings: bytes) -> compiler.Plan:
    """A plan for the GPU that is here."""
    return compiler.made(Order(graph, "tensorrt", timings=timings))


def lacking(release: Release) -> str:
    """Why no plans can be built of a release; empty: they can."""
    models = [model for model in release.graphs if model not in release.planned]
    if not models:
        return ""
    return (
        f"{release.manifest.name} has no graph of {' and '.join(models)} that plans can be built "
        "from: train it again, or take a newer release."
    )


def build(
    release: Release, out: Path, gpu: Gpu, tensorrt: str, made: Compile = with_tensorrt
) -> Iterator[tuple[str, Built]]:
    """Each plan that is not there yet or not right, with its model's name, once it is written.

    After an interruption it goes on with the next plan. Raises `ReleaseError` where the release
    has no graphs for TensorRT, or a plan cannot be built.
    """
    without = lacking(release)
    if without:
        raise ReleaseError(without)
    folder = out / release.manifest.name
    plans = Plans(
        release=release.digest,
        gpu=gpu.name,
        compute_capability=gpu.capability,
        tensorrt=tensorrt,
        precision=release.manifest.precision,
        plans=_kept(release, folder, gpu, tensorrt),
    )
    _lay_out(release, folder, keep={plan_file(folder, model) for model in plans.plans})
    _write(folder / PLANS, _text(plans))
    timings = out / TIMINGS / f"{re.sub('[^A-Za-z0-9]+', '-', gpu.name)}-{tensorrt}.cache"
    for model in (step.model for step in release.steps):
        if model.name not in plans.plans:
            path = plan_file(folder, model.name)
            built = _built(model, release.planned[model.name], path, timings, made)
            plans = plans.model_copy(update={"plans": {**plans.plans, model.name: built}})
            _write(folder / PLANS, _text(plans))
            yield model.name, built


def _built(model: Model, graph: Path, path: Path, timings: Path, made: Compile) -> Built:
    began = perf_counter()
    plan = made(graph, timings.read_bytes() if timings.is_file() else b"")
    refused = plan.refused or compiler.strayed(plan, model, any_batch=True)
    if refused:
        raise ReleaseError(f"There is no plan of {graph}: {refused}.")
    if plan.timings:
        _write(timings, plan.timings)
    _write(path, plan.data)
    return Built(
        sha256=sha256(path),
        onnx=sha256(graph),
        seconds=round(perf_counter() - began, 1),
        bytes=len(plan.data),
    )


def check(folder: Path, release: Release, gpu: Gpu, tensorrt: str) -> Plans:
    """The plans in `folder`: the release's, for this GPU and this version of TensorRT.

    Raises `ReleaseError` naming what differs: release, GPU, version, or the file.
    """
    plans = _read(folder)
    for what, then, now in (
        ("the release", plans.release[:12], release.digest[:12]),
        ("the GPU", plans.gpu, gpu.name),
        ("compute capability", plans.compute_capability, gpu.capability),
        ("TensorRT", plans.tensorrt, tensorrt),
    ):
        if then != now:
            raise ReleaseError(
                f"Refused the plans in {folder}: they were built for {what} {then}, and here is "
                f"{now}. Build them here: `nightread models build --target tensorrt`."
            )
    right = _released(release) | {
        _plan_name(model): built.sha256 for model, built in plans.plans.items()
    }
    present = {path.relative_to(folder).as_posix() for path in _files(folder)}
    for name in sorted(right.keys() | present | set(map(_plan_name, release.graphs))):
        if name not in right:
            why = "is in no list" if name in present else "was not built"
        elif name not in present:
            why = "is missing"
        elif sha256(folder / name) != right[name]:
            why = "was changed"
        else:
            continue
        raise ReleaseError(f"Refused the plans in {folder}: {name} {why}.")
    return plans


def plan_file(folder: Path, model: str) -> Path:
    """Where Triton looks for a model's plan, in a release's folder of `build`."""
    return folder / _plan_name(model)


def _plan_name(model: str) -> str:
    return f"{MODELS}/{model}/1/{PLAN}"


def _released(release: Release) -> dict[str, str]:
    """The model repository that was copied, as `Manifest.files`."""
    return {
        name: digest
        for name, digest in release.manifest.files.items()
        if name.startswith(f"{MODELS}/")
    }


def _files(folder: Path) -> list[Path]:
    found = (folder / MODELS).rglob("*")
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def _read(folder: Path) -> Plans:
    path = folder / PLANS
    try:
        return Plans.model_validate_json(path.read_bytes())
    except OSError:
        raise ReleaseError(
            f"There are no plans in {folder}: {PLANS} is missing. "
            "Build them: `nightread models build --target tensorrt`."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"{path} tells of no plans: {where}: {first['msg']}.") from None


def _kept(release: Release, folder: Path, gpu: Gpu, tensorrt: str) -> dict[str, Built]:
    """The plans that stand already: made here, of these graphs, and not changed since."""
    try:
        plans = _read(folder)
    except ReleaseError:
        return {}  # there are none that could be known
    if (plans.gpu, plans.compute_capability, plans.tensorrt) != (*gpu, tensorrt):
        return {}
    return {
        model: built
        for model, built in plans.plans.items()
        if model in release.planned
        and built.onnx == sha256(release.planned[model])
        and plan_file(folder, model).is_file()
        and built.sha256 == sha256(plan_file(folder, model))
    }


def _lay_out(release: Release, folder: Path, keep: set[Path]) -> None:
    """The release's model repository and the plans to be kept, and nothing else."""
    for path in _files(folder):
        if path not in keep:
            path.unlink()
    shutil.copytree(release.models, folder / MODELS, dirs_exist_ok=True)


def _text(plans: Plans) -> bytes:
    return (plans.model_dump_json(indent=1) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a build may be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)
