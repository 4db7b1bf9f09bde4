"""The benchmark of a GPU, as far as it can be held to account without one."""

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks import gpu, roofline, without_plans
from mammo.findings import RawView, probability
from tests.triton_repo.any_batch import graphs
from triton_repo import plans
from triton_repo.contract import steps
from triton_repo.graphs import Graphs
from triton_repo.release import PLANNED, Release, Tolerance, load

CARD = roofline.Card(fp16=1e12, fp32=1e11, memory=1e9)


def saved(path: Path, node: onnx.NodeProto, image: list[int], weights: list[int]) -> Path:
    """A graph of one node with weights of that shape, on an image of that shape."""
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)]
        for name, dims in (("image", image), ("out", [None] * len(image)))
    ]
    held = numpy_helper.from_array(np.zeros(weights, np.float32), "weights")
    graph = helper.make_graph([node], "one", *ends, [held])
    onnx.save(onnx.shape_inference.infer_shapes(helper.make_model(graph)), path)
    return path


@pytest.mark.parametrize(
    ("operator", "attributes", "image", "weights", "products"),
    [
        # 5 maps of 4 x 4, each value from 3 maps and 3 x 3 places
        ("Conv", {"strides": [2, 2], "pads": [1] * 4}, [1, 3, 8, 8], [5, 3, 3, 3], 5 * 16 * 27),
        # depthwise: each of 6 maps from itself alone
        ("Conv", {"group": 6, "pads": [1] * 4}, [1, 6, 8, 8], [6, 1, 3, 3], 6 * 64 * 9),
        # each of 3 x 8 x 8 values goes to 5 maps and 2 x 2 places
        ("ConvTranspose", {"strides": [2, 2]}, [1, 3, 8, 8], [3, 5, 2, 2], 3 * 64 * 20),
        ("MatMul", {}, [1, 7, 10], [10, 4], 7 * 4 * 10),
        ("Gemm", {"transB": 1}, [1, 10], [4, 10], 4 * 10),
        ("Add", {}, [1, 10], [10], 0),
    ],
)
def test_work_is_what_it_is_by_hand(
    tmp_path: Path, operator: str, attributes: dict, image: list, weights: list, products: int
) -> None:
    node = helper.make_node(operator, ["image", "weights"], ["out"], **attributes)
    path = saved(tmp_path / "one.onnx", node, image, weights)
    assert roofline.work(path, path).flops == 2 * products


def test_bytes_are_weights_and_what_goes_in_and_out(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["image", "weights"], ["out"])
    path = saved(tmp_path / "one.onnx", node, [1, 7, 10], [10, 4])
    work = roofline.work(path, path)
    assert (work.weights, work.ends) == (4 * 40, 4 * (70 + 28))


def test_the_roofline_is_the_slower_of_computing_and_moving() -> None:
    heavy, light = roofline.Work(10**9, 8000, 100), roofline.Work(1000, 8000, 100)
    assert heavy.seconds(CARD, "FP16", 1) == pytest.approx(1e-3)
    assert heavy.seconds(CARD, "FP32", 1) == pytest.approx(1e-2)
    assert light.seconds(CARD, "FP16", 1) == pytest.approx(8.1e-6)
    assert light.seconds(CARD, "FP16", 8) == pytest.approx(1.1e-6)


def view(*scores: float, box: float = 0.0) -> RawView:
    found = np.array(scores, np.float32)
    boxes = np.full((len(scores), 4), box, np.float32)
    kind = np.zeros(len(scores), np.int32)
    return RawView(len(scores), boxes, found, kind, found, found, None)


def test_a_view_is_off_by_what_a_release_would_mark(small_releases: Path) -> None:
    manifest = load(small_releases / "several").manifest
    allowed = Tolerance(score=0.08, box=1.0, least=0.3)
    known = manifest.reference.model_copy(update={"tolerances": {"tensorrt": allowed}})
    manifest = manifest.model_copy(update={"reference": known})
    right = [view(0.5, box=3.5), view(0.5), view(0.5, 0.2), view(0.5, 0.1)]
    got = [view(0.55, box=3.0), view(0.7), view(0.5), view(0.5, 0.1, box=2.0)]
    off, move = gpu.apart(right, got, manifest)
    assert list(off) == [1, 3]
    assert "detection" in off[1]
    assert "pixels" in off[3]
    moves = [
        abs(probability(a, manifest.calibration) - probability(b, manifest.calibration))
        for a, b in zip(right, got, strict=True)
    ]
    assert move == pytest.approx(max(moves))
    assert move > 0


@pytest.mark.parametrize("how", [[], ["--without-plans"]])
def test_without_a_gpu_one_sentence_and_2(
    how: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu.main(how)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "on a machine with a GPU" in said
    assert said.count("\n") == 1


# In place of CUDA's driver and of TensorRT: memory is this process's own, an engine is
# onnxruntime on the graph that the plan would be built from.


def driver() -> SimpleNamespace:
    held: list[Any] = []

    def alloc(place: Any, size: ctypes.c_size_t) -> int:
        held.append(ctypes.create_string_buffer(size.value))
        place._obj.value = ctypes.addressof(held[-1])
        return 0

    def copy(to: Any, source: Any, size: ctypes.c_size_t) -> int:
        ctypes.memmove(to.value, source.value, size.value)
        return 0

    def fine(*_: Any) -> int:
        return 0

    return SimpleNamespace(
        cuMemAlloc_v2=alloc, cuMemcpyHtoD_v2=copy, cuMemcpyDtoH_v2=copy, cuStreamCreate=fine,
        cuDeviceGet=fine, cuDevicePrimaryCtxRetain=fine, cuCtxSetCurrent=fine,
        cuCtxSynchronize=fine,
    )  # fmt: skip


class Engine:
    def __init__(self, plan: bytes) -> None:
        self.session = onnxruntime.InferenceSession(plan)
        self.places: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def create_execution_context(self) -> "Engine":
        return self

    def set_tensor_address(self, name: str, address: int) -> None:
        self.places[name] = address

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.shapes[name] = shape

    def execute_async_v3(self, _stream: int) -> None:
        kinds = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int32)": np.int32}
        feeds = {}
        for end in self.session.get_inputs():
            value = np.empty(self.shapes[end.name], kinds[end.type])
            ctypes.memmove(value.ctypes.data, self.places[end.name], value.nbytes)
            feeds[end.name] = value
        names = [end.name for end in self.session.get_outputs()]
        for name, value in zip(names, self.session.run(names, feeds), strict=True):
            ctypes.memmove(self.places[name], np.ascontiguousarray(value).ctypes.data, value.nbytes)


class Logger:
    ERROR = 1

    def __init__(self, _level: int) -> None:
        pass


class Runtime:
    def __init__(self, _logger: Logger) -> None:
        self.deserialize_cuda_engine = Engine


def bound(graph: Path) -> without_plans.Context:
    def session() -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    return without_plans.Context(session, "cpu")


@pytest.fixture(params=["TensorRT", "onnxruntime"])
def on_gpu(small_releases: Path, tmp_path: Path, request: pytest.FixtureRequest) -> gpu.OnGpu:
    release = load(small_releases / "several")
    folder = tmp_path / "several"
    (folder / PLANNED).mkdir(parents=True)
    for name, graph in graphs(release.steps, folder / PLANNED).items():
        plan = plans.plan_file(folder, name)
        plan.parent.mkdir(parents=True)
        plan.write_bytes(graph.read_bytes())
    release = Release(folder, release.manifest, release.digest)
    if request.param == "TensorRT":
        planned = gpu.Planned(folder, SimpleNamespace(Logger=Logger, Runtime=Runtime))
        return gpu.OnGpu(release, planned, driver())
    # onnxruntime's own calls, on the CPU's memory.
    return gpu.OnGpu(release, lambda model, _: bound(release.planned[model]), driver())


def test_a_batch_gets_the_answers_that_each_view_gets_alone(
    on_gpu: gpu.OnGpu, tmp_path: Path
) -> None:
    manifest = on_gpu.release.manifest
    alone = Graphs(steps(manifest.sizes, manifest.members), on_gpu.release.planned)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (5, 1, 96, 64), np.uint8)
    images[3] //= 4
    for got, image in zip(on_gpu(images), images, strict=True):
        right = alone(image)
        assert got.count == right.count
        for name in ("boxes", "detection", "lesion", "malignancy", "kind", "suspicion"):
            np.testing.assert_allclose(getattr(got, name), getattr(right, name), atol=0.05)


def test_graphs_run_alone_too(on_gpu: gpu.OnGpu) -> None:
    assert on_gpu.run(on_gpu.release.steps[-1:], 8, 3) > 0
