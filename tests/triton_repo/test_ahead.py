"""Graphs are compiled for GPUs without one, and what TensorRT would refuse is named."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from nightread.cli.models import app
from tests.triton_repo.any_batch import graphs
from triton_repo import ahead, compiler
from triton_repo.compiler import Order
from triton_repo.contract import DETECTOR
from triton_repo.release import DEFAULT_DIR, PLANNED, Release, default_name, load

pytestmark = pytest.mark.tensorrt


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Non-maximum suppression as ONNX has it: how many boxes it gives depends on the boxes."""
    nodes = [helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["kept"])]
    inputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 8, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 8]),
    ]
    outputs = [helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3])]
    made = helper.make_graph(nodes, "suppression", inputs, outputs)
    path = tmp_path / "suppression.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=10), path)
    return path


def test_the_shipped_release_compiles_for_every_generation() -> None:
    ended = CliRunner().invoke(app, ["verify", "--target", "tensorrt"])
    assert ended.exit_code == 0, ended.output
    for generation in ahead.GENERATIONS:
        assert generation in ended.output
    assert "refused" not in ended.output


def test_an_operator_without_a_kernel_is_named(graph: Path) -> None:
    plan = compiler.made(Order(graph, "tensorrt_rtx", "SM86"))
    assert plan.data == b""
    assert "NMS" in plan.refused


def test_a_file_that_is_no_graph_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a graph")
    plan = compiler.made(Order(path, "tensorrt_rtx", "SM86"))
    assert plan.refused.startswith("does not parse")


def test_other_tensors_than_the_contracts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    release = load(DEFAULT_DIR / default_name(DEFAULT_DIR))
    sizes = release.manifest.sizes
    other = release.manifest.model_copy(update={"sizes": type(sizes)(sizes.height, sizes.width, 8)})
    monkeypatch.setattr(ahead, "GENERATIONS", {"SM86": ""})
    detector = next(ahead.compiled(Release(release.folder, other, release.digest)))
    assert detector.graph == DETECTOR
    assert detector.refused == "not the contract's tensors: boxes, detection, kind"


def test_graphs_for_plans_are_compiled_where_the_release_has_them(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    (release.folder / PLANNED).mkdir()
    graphs(release.steps, release.folder / PLANNED)
    half = release.manifest.model_copy(update={"precision": "FP16"})
    monkeypatch.setattr(ahead, "GENERATIONS", {"SM86": ""})
    compiled = list(ahead.compiled(Release(release.folder, half, release.digest)))
    assert {one.precision for one in compiled} == {"FP16"}
    assert [one.refused for one in compiled] == ["", ""]


def test_the_cpus_graphs_are_compiled_where_there_are_no_others(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "GENERATIONS", {"SM86": ""})
    compiled = list(ahead.compiled(release))
    assert {one.precision for one in compiled} == {"FP32"}
    assert {one.refused for one in compiled} == {""}
