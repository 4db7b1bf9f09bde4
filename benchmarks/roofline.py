"""What a GPU could do at best: the work in a graph, and what cards are said to do a second."""

from math import prod
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import numpy_helper

from triton_repo.release import Precision

Shape = tuple[int, ...]


class Card(NamedTuple):
    """Peaks of a GPU without sparsity, from NVIDIA's data sheets."""

    fp16: float  # FLOP/s of the tensor cores, adding up in FP32
    fp32: float  # FLOP/s without them: TensorFloat-32 is another precision
    memory: float  # bytes/s

    def flops(self, precision: Precision) -> float:
        """FLOP/s of a release's precision."""
        return self.fp16 if precision == "FP16" else self.fp32


# By the name that the driver gives.
CARDS = {
    "Tesla T4": Card(65e12, 8.1e12, 320e9),
    "NVIDIA A10": Card(125e12, 31.2e12, 600e9),
    "NVIDIA A30": Card(165e12, 10.3e12, 933e9),
    "NVIDIA A40": Card(149.7e12, 37.4e12, 696e9),
    "NVIDIA A100-SXM4-40GB": Card(312e12, 19.5e12, 1555e9),
    "NVIDIA A100-SXM4-80GB": Card(312e12, 19.5e12, 2039e9),
    "NVIDIA A100 80GB PCIe": Card(312e12, 19.5e12, 1935e9),
    "NVIDIA L4": Card(121e12, 30.3e12, 300e9),
    "NVIDIA L40": Card(181e12, 90.5e12, 864e9),
    "NVIDIA L40S": Card(362e12, 91.6e12, 864e9),
    "NVIDIA H100 PCIe": Card(756e12, 51e12, 2000e9),
    "NVIDIA H100 80GB HBM3": Card(989e12, 67e12, 3350e9),
    "NVIDIA H200": Card(989e12, 67e12, 4800e9),
}


class Work(NamedTuple):
    """What a graph cannot do without."""

    flops: int  # an image: two for each multiply-add of convolutions and matrix products
    weights: int  # bytes, read once a batch
    ends: int  # bytes of an image's inputs and outputs

    def seconds(self, card: Card, precision: Precision, batch: int) -> float:
        """The least time an image: the card computes, or waits for its memory."""
        moved = self.weights / batch + self.ends
        return max(self.flops / card.flops(precision), moved / card.memory)


def work(fixed: Path, planned: Path) -> Work:
    """Of a model: FLOPs by its graph of batch 1, weights by the graph that plans are built from.

    Raises `ValueError` for a node whose shapes the graph does not tell.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(fixed), data_prop=True)
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {value.name: _shape(value) for value in values}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return Work(
        flops=2 * sum(_products(node, shapes) for node in graph.node),
        weights=sum(numpy_helper.to_array(t).nbytes for t in onnx.load(planned).graph.initializer),
        ends=sum(_bytes(value) for value in (*graph.input, *graph.output)),
    )


def _products(node: onnx.NodeProto, shapes: dict[str, Shape]) -> int:
    """Multiply-adds of a node; 0 for all that is neither convolution nor matrix product."""
    try:
        match node.op_type:
            case "Conv":  # weights: outputs, inputs of a group, kernel
                return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
            case "ConvTranspose":  # weights: inputs, outputs of a group, kernel
                return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
            case "MatMul":
                return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
            case "Gemm":
                turned = any(a.name == "transA" and a.i for a in node.attribute)
                return prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else 1]
    except KeyError as error:
        raise ValueError(f"The shape of {error} is not known, of {node.op_type}.") from None
    return 0


def _shape(value: onnx.ValueInfoProto) -> Shape:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _bytes(value: onnx.ValueInfoProto) -> int:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return int(kind.itemsize) * prod(_shape(value))
