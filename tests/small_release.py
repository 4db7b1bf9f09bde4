"""A small release, for tests that need one and not what it says: its graphs point at places."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale, Whole
from triton_repo.build import build
from triton_repo.contract import AVERAGE, CLASSIFIER, DETECTOR, FUSION, ONE, Members, Sizes

SIZES = Sizes(height=96, width=64, boxes=4)
FLOAT, INT32, INT64, UINT8 = (
    TensorProto.FLOAT,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
)


TWO = Members(("first", "second"), ("kind", "strict"), ("whole",))
MEMBERS = {"small": ONE, "several": TWO}  # of the releases below


def _value(name: str, kind: int, *dims: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [1, *dims])


def _save(path: Path, nodes: list, inputs: list, outputs: list, constants: dict) -> Path:
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, tensors)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def _detector(path: Path) -> Path:
    """The four brightest pixels, as boxes of 4 by 4."""
    node = helper.make_node
    return _save(
        path,
        [
            node("Cast", ["image"], ["gray"], to=FLOAT),
            node("Reshape", ["gray", "row"], ["pixels"]),
            node("TopK", ["pixels", "four"], ["peaks", "where"]),
            node("Div", ["peaks", "white"], ["detection"]),
            node("Div", ["where", "width"], ["y"]),
            node("Mod", ["where", "width"], ["x"]),
            node("Concat", ["x", "y", "x", "y"], ["corners"], axis=0),
            node("Transpose", ["corners"], ["by_box"], perm=[1, 0]),
            node("Unsqueeze", ["by_box", "zero"], ["batched"]),
            node("Cast", ["batched"], ["places"], to=FLOAT),
            node("Add", ["places", "reach"], ["boxes"]),
            node("Mod", ["where", "two"], ["parity"]),
            node("Cast", ["parity"], ["kind"], to=INT32),
            node("Identity", ["all"], ["count"]),
        ],
        [_value("image", UINT8, 1, SIZES.height, SIZES.width)],
        [
            _value("boxes", FLOAT, 4, 4),
            _value("detection", FLOAT, 4),
            _value("kind", INT32, 4),
            _value("count", INT32, 1),
        ],
        {
            "row": np.array([1, -1]),
            "four": np.array([4]),
            "white": np.float32(256),
            "width": np.array(SIZES.width),
            "zero": np.array([0]),
            "two": np.array(2),
            "reach": np.array([0, 0, 4, 4], np.float32),
            "all": np.array([[4]], np.int32),
        },
    )


def _classifier(path: Path) -> Path:
    """The farther down a box lies, the surer a lesion and the more malignant."""
    node = helper.make_node
    return _save(
        path,
        [
            node("Cast", ["image"], ["gray"], to=FLOAT),
            node("ReduceMean", ["gray"], ["mean"], keepdims=0),
            node("Div", ["mean", "white"], ["brightness"]),
            node("Gather", ["boxes", "bottom"], ["y"], axis=2),
            node("Div", ["y", "height"], ["depth"]),
            node("Mul", ["depth", "brightness"], ["malignancy"]),
            node("Mul", ["depth", "depth"], ["lesion"]),
        ],
        [_value("image", UINT8, 1, SIZES.height, SIZES.width), _value("boxes", FLOAT, 4, 4)],
        [_value("lesion", FLOAT, 4), _value("malignancy", FLOAT, 4)],
        {"white": np.float32(256), "bottom": np.array(3), "height": np.float32(SIZES.height + 4)},
    )


def _view_classifier(path: Path) -> Path:
    """The brighter, the more suspicious."""
    node = helper.make_node
    return _save(
        path,
        [
            node("Cast", ["image"], ["gray"], to=FLOAT),
            node("ReduceMean", ["gray", "all"], ["mean"], keepdims=0),
            node("Div", ["mean", "white"], ["brightness"]),
            node("Reshape", ["brightness", "one"], ["suspicion"]),
        ],
        [_value("image", UINT8, 1, SIZES.height, SIZES.width)],
        [_value("suspicion", FLOAT, 1)],
        {"white": np.float32(256), "all": np.array([1, 2, 3]), "one": np.array([1, 1])},
    )


def _joint(path: Path, told: dict[str, tuple[int, list[int]]], count: int | None) -> Path:
    """The mean of what two models say of each tensor; of whole numbers what the second says."""
    node = helper.make_node
    nodes, inputs, outputs, constants = [], [], [], {"half": np.float32(0.5)}
    for name, (kind, dims) in told.items():
        pair = [f"{name}_0", f"{name}_1"]
        inputs += [_value(one, kind, *dims) for one in pair]
        outputs.append(_value(name, kind, *dims))
        if kind == FLOAT:
            nodes += [node("Add", pair, [f"{name}_s"]), node("Mul", [f"{name}_s", "half"], [name])]
        else:
            nodes.append(node("Max", pair, [name]))
    if count is not None:
        constants["all"] = np.array([[count]], np.int32)
        nodes.append(node("Identity", ["all"], ["count"]))
        outputs.append(_value("count", INT32, 1))
    inputs = sorted(inputs, key=lambda value: value.name[-1])  # one model after the other
    return _save(path, nodes, inputs, outputs, constants)


def _build(folder: Path, graphs: dict[str, Path], members: Members) -> None:
    build(
        folder,
        graphs=graphs,
        members=members,
        sizes=SIZES,
        preparation=Preparation(height=SIZES.height, width=SIZES.width),
        calibration=Calibration(
            0.0, 1.0, 1.0, 0.0, 1.0, Whole(0.0, 1.0, 0.5) if members.views else None
        ),
        scale=Scale(tuple(n / 10 for n in range(1, 10)), urgent=10, soon=8, routine=4),
        finding_threshold=0.1,
        valid_for=(SourceKind.FFDM, SourceKind.FILM),
        description="the four brightest pixels",
        intended_use="tests",
        card=f"# {folder.name}\n",
    )


@pytest.fixture(scope="session")
def small_releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of releases: `small` and, with two detectors and two classifiers, `several`.

    The latter has a classifier of whole views too.
    """
    folder = tmp_path_factory.mktemp("releases")
    made = tmp_path_factory.mktemp("graphs")
    finding, judging = _detector(made / "detector.onnx"), _classifier(made / "classifier.onnx")
    _build(folder / "small", {DETECTOR: finding, CLASSIFIER: judging}, ONE)
    boxes, scores = [4, 4], [4]
    found = {
        "boxes": (FLOAT, boxes), "detection": (FLOAT, scores), "kind": (INT32, scores)
    }  # fmt: skip
    judged = {"lesion": (FLOAT, scores), "malignancy": (FLOAT, scores)}
    joints = {
        FUSION: _joint(made / "fusion.onnx", found, count=4),
        AVERAGE: _joint(made / "average.onnx", judged, count=None),
    }
    networks = dict.fromkeys(TWO.detectors, finding) | dict.fromkeys(TWO.classifiers, judging)
    networks |= dict.fromkeys(TWO.views, _view_classifier(made / "whole.onnx"))
    _build(folder / "several", networks | joints, TWO)
    return folder
