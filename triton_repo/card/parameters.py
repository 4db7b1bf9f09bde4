"""How many numbers a network has learned, read off its ONNX file.

Nothing that serves a release needs the package onnx, so the few fields that this takes are read
from the file's protobuf themselves (onnx.proto; protobuf.dev, encoding).
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

_GRAPH, _INITIALIZER = 7, 5  # fields of ModelProto and of GraphProto
_DIMS, _DATA_TYPE = 1, 2  # of TensorProto
_LEARNED = {1, 10, 11, 16}  # FLOAT, FLOAT16, DOUBLE, BFLOAT16: whole numbers are shapes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field is written


def count(path: Path) -> int:
    """Of all initializers of floating point."""
    model = memoryview(path.read_bytes())
    return sum(
        _learned(tensor)
        for number, graph in _fields(model)
        if number == _GRAPH and isinstance(graph, memoryview)
        for inner, tensor in _fields(graph)
        if inner == _INITIALIZER and isinstance(tensor, memoryview)
    )


def _learned(tensor: memoryview) -> int:
    dims: list[int] = []
    kind = 0
    for number, value in _fields(tensor):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else _packed(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
    return prod(dims) if kind in _LEARNED else 0


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number and value; raises `ValueError` where the message ends too early."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, written = key >> 3, key & 7
        if written == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if written == _BYTES:
            length, at = _varint(message, at)
        elif written in (_FIXED64, _FIXED32):
            length = 8 if written == _FIXED64 else 4
        else:
            raise ValueError(f"No protobuf: a field is written in way {written}.")
        if at + length > len(message):
            raise ValueError("No whole protobuf: a field is longer than what is left.")
        yield number, message[at : at + length]
        at += length


def _packed(values: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(values):
        value, at = _varint(values, at)
        found.append(value)
    return found


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("No whole protobuf: it ends inside a number.")
