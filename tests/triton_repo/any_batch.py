"""Graphs as plans are built from: of any batch, with the contract's tensors."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from triton_repo.contract import Model, Step, Tensor

TYPES = {"UINT8": TensorProto.UINT8, "FP32": TensorProto.FLOAT, "INT32": TensorProto.INT32}


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TYPES[tensor.dtype], ["batch", *tensor.dims])


def graph(model: Model, path: Path) -> Path:
    """Every output is the mean of the first input, of each image alone, half of it in FP16."""
    node = helper.make_node
    first = model.inputs[0]
    nodes = [
        node("Cast", [first.name], ["half"], to=TensorProto.FLOAT16),
        node("Relu", ["half"], ["bright"]),
        node("Cast", ["bright"], ["whole"], to=TensorProto.FLOAT),
        node("Flatten", ["whole"], ["flat"]),
        node("ReduceMean", ["flat", "last"], ["mean"], keepdims=1),
    ]
    constants = {"last": np.array([1])}
    for tensor in model.outputs:
        own = {name: f"{name}_{tensor.name}" for name in ("ones", "rows", "all", "shape")}
        constants[own["ones"]] = np.array([-1, *[1] * len(tensor.dims)])
        constants[own["all"]] = np.array([1, *tensor.dims])
        nodes += [
            node("Reshape", ["mean", own["ones"]], [own["rows"]]),
            node("Expand", [own["rows"], own["all"]], [own["shape"]]),
            node("Cast", [own["shape"]], [tensor.name], to=TYPES[tensor.dtype]),
        ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(
        nodes, model.name, [*map(_value, model.inputs)], [*map(_value, model.outputs)], tensors
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=10), path)
    return path


def graphs(steps: tuple[Step, ...], folder: Path) -> dict[str, Path]:
    """One for each model of an ensemble, by name."""
    return {one.model.name: graph(one.model, folder / f"{one.model.name}.onnx") for one in steps}
