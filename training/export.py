"""From trained networks to the ONNX files of a release, checked against torch."""

import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from triton_repo import contract

OPSET = 18
BATCH = "batch"  # the name of the axis where it is not 1
# Prepared pixels; probabilities.
TOLERANCE = {
    "boxes": 0.05,
    "detection": 1e-3,
    "lesion": 1e-3,
    "malignancy": 1e-3,
    "suspicion": 1e-3,
}
# What onnxruntime, TensorRT 8.6 and later and TensorRT-RTX all run without a plugin.
OPERATORS = frozenset(
    [
        "Add",
        "And",
        "AveragePool",
        "Cast",
        "Ceil",
        "Clip",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Conv",
        "Div",
        "Equal",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "Gemm",
        "GlobalAveragePool",
        "Greater",
        "GreaterOrEqual",
        "GridSample",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "MatMul",
        "Max",
        "MaxPool",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pad",
        "Range",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Resize",
        "Shape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Softplus",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "TopK",
        "Transpose",
        "Trilu",
        "Unsqueeze",
        "Where",
        "ArgMax",
    ]
)


def write(
    served: nn.Module,
    named: contract.Model,
    example: dict[str, torch.Tensor],
    path: Path,
    *,
    most: int | None = None,
) -> None:
    """One ONNX file with the contract's names, checked on `example` (batch 1).

    Of batch 1; with `most` of any batch up to that. Raises ValueError if it is not as promised.
    """
    served = served.eval().to(memory_format=torch.contiguous_format)
    args = tuple(example[t.name] for t in named.inputs)
    batch = torch.export.Dim("batch", min=1, max=most) if most else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            served,
            # A batch of 1 would be taken for a constant.
            tuple(torch.cat([one, one]) for one in args) if batch else args,
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[t.name for t in named.inputs],
            output_names=[t.name for t in named.outputs],
            dynamic_shapes=_any_batch(served, len(args), batch) if batch else None,
            verbose=False,
        )
    path.parent.mkdir(exist_ok=True)
    program.save(str(path), external_data=False)
    check(path, named, BATCH if most else 1)
    if most:
        alike(path, named, example)
    else:
        with torch.inference_mode():
            expected = served(*args)
        compare(path, named, example, expected if isinstance(expected, tuple) else (expected,))


def _any_batch(served: nn.Module, inputs: int, batch: object) -> tuple[Any, ...]:
    """The first axis of every input, in the shape of `forward`'s parameters."""
    axes = tuple({0: batch} for _ in range(inputs))
    parameters = inspect.signature(served.forward).parameters.values()
    together = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    return (axes,) if together else axes


_ONNX = {
    "UINT8": onnx.TensorProto.UINT8,
    "FP32": onnx.TensorProto.FLOAT,
    "INT32": onnx.TensorProto.INT32,
}


def check(path: Path, named: contract.Model, batch: int | str = 1) -> None:
    """Raises ValueError unless names, dtypes and shapes are the contract's and operators allowed."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    for values, tensors in ((model.graph.input, named.inputs), (model.graph.output, named.outputs)):
        found = [
            (
                v.name,
                v.type.tensor_type.elem_type,
                tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim),
            )
            for v in values
        ]
        wanted = [(t.name, _ONNX[t.dtype], (batch, *t.dims)) for t in tensors]
        if found != wanted:
            raise ValueError(f"{named.name}: the graph has {found}, the contract {wanted}.")
    used = {node.op_type for node in model.graph.node}
    if used - OPERATORS:
        raise ValueError(
            f"{named.name}: operators not every runtime has: {sorted(used - OPERATORS)}."
        )


def session(path: Path) -> onnxruntime.InferenceSession:
    """One thread, like an instance in Triton's CPU profile."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(
    path: Path,
    named: contract.Model,
    example: dict[str, torch.Tensor],
    expected: tuple[torch.Tensor, ...],
) -> None:
    """Raises ValueError where onnxruntime and torch differ by more than TOLERANCE."""
    feeds = {t.name: example[t.name].numpy() for t in named.inputs}
    got = session(path).run([t.name for t in named.outputs], feeds)
    for tensor, ours, theirs in zip(named.outputs, got, expected, strict=True):
        worst = float(np.abs(ours.astype(np.float64) - theirs.numpy().astype(np.float64)).max())
        if not worst <= TOLERANCE.get(tensor.name, 0.0):
            raise ValueError(f"{named.name}: {tensor.name} differs from torch by {worst:.2g}.")


def alike(path: Path, named: contract.Model, example: dict[str, torch.Tensor]) -> None:
    """Raises ValueError where what onnxruntime makes of one depends on its neighbours in a batch."""
    running = session(path)
    names = [t.name for t in named.outputs]
    feeds = {t.name: example[t.name].numpy() for t in named.inputs}
    alone = running.run(names, feeds)
    both = running.run(
        names, {name: np.concatenate([x, x[..., ::-1]]) for name, x in feeds.items()}
    )
    for tensor, one, two in zip(named.outputs, alone, both, strict=True):
        worst = float(np.abs(two[:1].astype(np.float64) - one).max())
        if not worst <= TOLERANCE.get(tensor.name, 0.0):
            raise ValueError(f"{named.name}: {tensor.name} differs in a batch by {worst:.2g}.")


def examples(
    named: contract.Model, picture: torch.Tensor, places: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Inputs (1, ...) to check a model on: a picture, places in it, or what models might say."""
    made = torch.Generator().manual_seed(0)
    found = {"image": picture, "boxes": places}
    for tensor in named.inputs:
        if tensor.name not in found:
            drawn = torch.rand(1, *tensor.dims, generator=made)
            if tensor.name.startswith("boxes"):
                drawn = torch.cat([drawn[..., :2] * 300, drawn[..., :2] * 300 + 90], dim=-1)
            found[tensor.name] = drawn.int() if tensor.dtype == "INT32" else drawn
    return {tensor.name: found[tensor.name] for tensor in named.inputs}
