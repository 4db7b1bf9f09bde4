"""A small release with graphs that answer to their input, built as a real one is."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from triton_repo.build import build
from triton_repo.contract import Sizes
from triton_repo.release import Release

SIZES = Sizes(height=64, width=40, boxes=4)


def constant(name: str, value: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(value, name)


def save(path: Path, nodes: list, inputs: list, outputs: list, constants: list) -> Path:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def tensor(name: str, kind: int, dims: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [1, *dims])


@pytest.fixture(scope="session")
def graph_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two ONNX files with the contract's tensors: their scores are means of the input."""
    folder = tmp_path_factory.mktemp("graphs")
    image = tensor("image", TensorProto.UINT8, (1, SIZES.height, SIZES.width))
    boxes = np.zeros((1, 4, 4), np.float32)
    boxes[0, :2] = [[1, 2, 11, 12], [5, 30, 9, 40]]
    detector = save(
        folder / "detector.onnx",
        [
            helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["f", "axes"], ["mean"], keepdims=1),
            helper.make_node("Div", ["mean", "full"], ["bright"]),
            helper.make_node("Reshape", ["bright", "shape"], ["flat"]),
            helper.make_node("Mul", ["flat", "ranks"], ["detection"]),
            helper.make_node("Identity", ["places"], ["boxes"]),
            helper.make_node("Identity", ["kinds"], ["kind"]),
            helper.make_node("Identity", ["two"], ["count"]),
        ],
        [image],
        [
            tensor("boxes", TensorProto.FLOAT, (4, 4)),
            tensor("detection", TensorProto.FLOAT, (4,)),
            tensor("kind", TensorProto.INT32, (4,)),
            tensor("count", TensorProto.INT32, (1,)),
        ],
        [
            constant("axes", np.array([1, 2, 3])),
            constant("full", np.array(255, np.float32)),
            constant("shape", np.array([1, 1])),
            constant("ranks", np.array([[1, 0.5, 0, 0]], np.float32)),
            constant("places", boxes),
            constant("kinds", np.array([[0, 1, 0, 0]], np.int32)),
            constant("two", np.array([[2]], np.int32)),
        ],
    )
    classifier = save(
        folder / "classifier.onnx",
        [
            helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["f", "axes"], ["peak"], keepdims=1),
            helper.make_node("Reshape", ["peak", "shape"], ["flat"]),
            helper.make_node("ReduceMean", ["boxes", "last"], ["sizes"], keepdims=0),
            helper.make_node("Add", ["flat", "sizes"], ["sum"]),
            helper.make_node("Div", ["sum", "full"], ["malignancy"]),
            helper.make_node("Mul", ["malignancy", "malignancy"], ["lesion"]),
        ],
        [image, tensor("boxes", TensorProto.FLOAT, (4, 4))],
        [tensor("lesion", TensorProto.FLOAT, (4,)), tensor("malignancy", TensorProto.FLOAT, (4,))],
        [
            constant("axes", np.array([1, 2, 3])),
            constant("last", np.array([2])),
            constant("shape", np.array([1, 1])),
            constant("full", np.array(512, np.float32)),
        ],
    )
    return detector, classifier


@pytest.fixture
def release(graph_files: tuple[Path, Path], tmp_path: Path) -> Release:
    detector, classifier = graph_files
    return build(
        tmp_path / "small",
        detector=detector,
        classifier=classifier,
        sizes=SIZES,
        preparation=Preparation(height=SIZES.height, width=SIZES.width),
        calibration=Calibration(-1.0, 1.0, 0.5, 0.0, 1.0),
        scale=Scale(tuple(n / 10 for n in range(1, 10)), urgent=10, soon=8, routine=4),
        finding_threshold=0.1,
        valid_for=(SourceKind.FFDM,),
        description="two small graphs",
        intended_use="tests",
        card="# small\n",
    )
