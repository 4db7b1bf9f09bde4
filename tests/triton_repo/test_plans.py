"""Plans are a release's, a GPU type's and a TensorRT version's, or they are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightread.cli.models import app
from nightread.errors import Refused, UsageError
from tests.triton_repo.any_batch import graphs
from triton_repo import compiler, plans
from triton_repo.compiler import ANY, Order, Plan
from triton_repo.cuda import Gpu
from triton_repo.release import (
    PLANNED,
    Release,
    ReleaseError,
    listed_files,
    load,
    sha256,
    write_manifest,
)

GPU, VERSION = Gpu("NVIDIA A10", "8.6"), "10.8.0.43"


@pytest.fixture
def planned(small_releases: Path, tmp_path: Path) -> Release:
    """`several`, with graphs that plans can be built from."""
    release = load(shutil.copytree(small_releases / "several", tmp_path / "several"))
    (release.folder / PLANNED).mkdir()
    graphs(release.steps, release.folder / PLANNED)
    files = {name: sha256(release.folder / name) for name in listed_files(release.folder)}
    changed = {"files": files, "precision": "FP16"}
    write_manifest(release.folder, release.manifest.model_copy(update=changed))
    return load(release.folder)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "plans"


class Pretended:
    """A compiler that compiles nothing, and remembers what it was asked."""

    def __init__(self, release: Release) -> None:
        self.models = {step.model.name: step.model for step in release.steps}
        self.asked: list[str] = []
        self.timings: list[bytes] = []

    def __call__(self, graph: Path, timings: bytes) -> Plan:
        model = self.models[graph.stem]
        self.asked.append(model.name)
        self.timings.append(timings)
        tensors = frozenset((*model.inputs, *model.outputs))
        data = f"plan {len(self.asked)} of {model.name}".encode()
        return Plan(data, 1, frozenset({ANY}), tensors, timings + b"+", "")


def built(
    release: Release, out: Path, made: plans.Compile, gpu: Gpu = GPU, version: str = VERSION
) -> list[str]:
    return [model for model, _ in plans.build(release, out, gpu, version, made)]


def test_what_is_built_is_the_release_with_a_plan_for_each_model(
    planned: Release, out: Path
) -> None:
    assert built(planned, out, Pretended(planned)) == list(planned.graphs)
    found = plans.check(out / "several", planned, GPU, VERSION)
    assert (found.release, found.precision) == (planned.digest, "FP16")
    assert (found.gpu, found.compute_capability) == GPU
    models = out / "several/models"
    for path in planned.models.rglob("*"):
        copy = models / path.relative_to(planned.models)
        assert path.is_dir() or copy.read_bytes() == path.read_bytes()
    for name, one in found.plans.items():
        assert sha256(models / name / "1/model.plan") == one.sha256
        assert one.onnx == planned.manifest.files[f"{PLANNED}/{name}.onnx"]


def test_plans_that_are_right_are_kept_and_a_changed_one_is_built_again(
    planned: Release, out: Path
) -> None:
    made = Pretended(planned)
    built(planned, out, made)
    assert built(planned, out, made) == []
    (out / "several/models/fusion/1/model.plan").write_bytes(b"damaged")
    (out / "several/models/fusion/1/model.engine").write_bytes(b"from elsewhere")
    assert built(planned, out, made) == ["fusion"]
    plans.check(out / "several", planned, GPU, VERSION)


def test_an_interrupted_build_goes_on_with_the_next_plan(planned: Release, out: Path) -> None:
    made = Pretended(planned)
    begun = plans.build(planned, out, GPU, VERSION, made)
    first, _ = next(begun)
    begun.close()
    with pytest.raises(ReleaseError, match=r"models/average/1/model\.plan was not built"):
        plans.check(out / "several", planned, GPU, VERSION)
    assert built(planned, out, made) == [name for name in planned.graphs if name != first]


def test_another_gpu_or_tensorrt_builds_all_of_them_again(planned: Release, out: Path) -> None:
    made = Pretended(planned)
    built(planned, out, made)
    assert len(built(planned, out, made, version="10.9")) == len(planned.graphs)
    other = Gpu("NVIDIA L4", "8.9")
    assert len(built(planned, out, made, other, "10.9")) == len(planned.graphs)
    plans.check(out / "several", planned, other, "10.9")


def test_other_numbers_on_the_same_graphs_need_no_other_plans(planned: Release, out: Path) -> None:
    made = Pretended(planned)
    built(planned, out, made)
    write_manifest(planned.folder, planned.manifest.model_copy(update={"finding_threshold": 0.2}))
    changed = load(planned.folder)
    with pytest.raises(ReleaseError, match=f"built for the release {planned.digest[:12]}"):
        plans.check(out / "several", changed, GPU, VERSION)
    assert built(changed, out, made) == []
    plans.check(out / "several", changed, GPU, VERSION)


def test_what_was_timed_is_kept_for_that_gpu_and_version(planned: Release, out: Path) -> None:
    made = Pretended(planned)
    built(planned, out, made)
    assert made.timings == [b"+" * n for n in range(len(planned.graphs))]
    kept = out / "timings/NVIDIA-A10-10.8.0.43.cache"
    assert kept.read_bytes() == b"+" * len(planned.graphs)
    built(planned, out, made, version="10.9")
    assert made.timings[len(planned.graphs)] == b""


def another_gpu(folder: Path) -> tuple[Gpu, str]:
    return Gpu("NVIDIA L4", "8.6"), VERSION


def another_capability(folder: Path) -> tuple[Gpu, str]:
    return Gpu("NVIDIA A10", "8.9"), VERSION


def another_version(folder: Path) -> tuple[Gpu, str]:
    return GPU, "10.9.0"


def a_changed_plan(folder: Path) -> tuple[Gpu, str]:
    (folder / "models/strict/1/model.plan").write_bytes(b"changed")
    return GPU, VERSION


def a_plan_gone(folder: Path) -> tuple[Gpu, str]:
    (folder / "models/kind/1/model.plan").unlink()
    return GPU, VERSION


def a_changed_configuration(folder: Path) -> tuple[Gpu, str]:
    (folder / "models/first/configs/tensorrt.pbtxt").write_text("")
    return GPU, VERSION


def a_plan_of_nobody(folder: Path) -> tuple[Gpu, str]:
    (folder / "models/first/2").mkdir()
    (folder / "models/first/2/model.plan").write_bytes(b"newer")
    return GPU, VERSION


def no_list(folder: Path) -> tuple[Gpu, str]:
    (folder / "plans.json").unlink()
    return GPU, VERSION


def an_unknown_field(folder: Path) -> tuple[Gpu, str]:
    path = folder / "plans.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"driver": "580"}))
    return GPU, VERSION


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (another_gpu, "for the GPU NVIDIA A10, and here is NVIDIA L4"),
        (another_capability, "for compute capability 8.6, and here is 8.9"),
        (another_version, "for TensorRT 10.8.0.43, and here is 10.9.0"),
        (a_changed_plan, "models/strict/1/model.plan was changed"),
        (a_plan_gone, "models/kind/1/model.plan is missing"),
        (a_changed_configuration, "models/first/configs/tensorrt.pbtxt was changed"),
        (a_plan_of_nobody, "models/first/2/model.plan is in no list"),
        (no_list, "plans.json is missing"),
        (an_unknown_field, "plans.json tells of no plans: driver"),
    ],
)
def test_what_differs_is_named(
    planned: Release, out: Path, happens: Callable[[Path], tuple[Gpu, str]], said: str
) -> None:
    built(planned, out, Pretended(planned))
    gpu, version = happens(out / "several")
    with pytest.raises(ReleaseError) as refused:
        plans.check(out / "several", planned, gpu, version)
    assert said in str(refused.value)


def test_a_release_without_graphs_for_tensorrt_is_refused(release: Release, out: Path) -> None:
    with pytest.raises(ReleaseError, match="small has no graph of detector and classifier"):
        built(release, out, Pretended(release))
    assert not out.exists()


def test_a_plan_of_one_batch_alone_is_refused(planned: Release, out: Path) -> None:
    pretended = Pretended(planned)

    def fixed(graph: Path, timings: bytes) -> Plan:
        return pretended(graph, timings)._replace(batch=frozenset({1, ANY}))

    with pytest.raises(ReleaseError, match=r"first\.onnx: the batch is any, 1, not any"):
        built(planned, out, fixed)


def on_a10(monkeypatch: pytest.MonkeyPatch, made: plans.Compile) -> None:
    monkeypatch.setattr(plans, "here", lambda: (GPU, VERSION))
    monkeypatch.setattr(plans.build, "__defaults__", (made,))


def test_the_commands_build_and_check(
    planned: Release, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a10(monkeypatch, Pretended(planned))
    where = ["several", "--releases", str(planned.folder.parent)]
    done = CliRunner().invoke(app, ["build", *where, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "7 plans for NVIDIA A10 and TensorRT 10.8.0.43" in done.output
    checked = ["verify", *where, "--target", "tensorrt", "--plans", str(out)]
    done = CliRunner().invoke(app, checked)
    assert "7 plans are right" in done.output
    a_changed_plan(out / "several")
    with pytest.raises(Refused, match=r"models/strict/1/model\.plan was changed"):
        CliRunner().invoke(app, checked, catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--target", "tensorrt"],
        ["verify", "--target", "tensorrt", "--plans", "plans"],
    ],
)
def test_without_tensorrt_a_sentence_says_where_to_run_it(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="on a machine with a GPU, in NVIDIA's container"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments", [["build", "--target", "cpu"], ["verify", "--plans", "plans"]]
)
def test_the_cpu_has_no_plans(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="CPU runs a release's own graphs"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.mark.tensorrt
def test_graphs_of_any_batch_become_plans(planned: Release, out: Path) -> None:
    def for_sm86(graph: Path, timings: bytes) -> Plan:
        return compiler.made(Order(graph, "tensorrt_rtx", "SM86", timings))

    assert built(planned, out, for_sm86) == list(planned.graphs)
    found = plans.check(out / "several", planned, GPU, VERSION)
    assert min(one.bytes for one in found.plans.values()) > 10_000
    assert built(planned, out, for_sm86) == []


@pytest.mark.tensorrt
def test_a_graph_of_batch_one_is_no_graph_for_plans(planned: Release, out: Path) -> None:
    def of_the_cpu(graph: Path, timings: bytes) -> Plan:
        return compiler.made(Order(planned.graphs[graph.stem], "tensorrt_rtx", "SM86", timings))

    with pytest.raises(ReleaseError, match="the batch is 1, not any"):
        built(planned, out, of_the_cpu)
