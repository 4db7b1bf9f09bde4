"""Tensor names, dtypes and ranks: the only place where they are written.

What Triton serves, what the exporter writes, what the client sends and what the tests check
all derive from here. Sizes (height, width, number of boxes) come from a release's manifest.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Dtype = Literal["UINT8", "FP32", "INT32"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a release fixes."""

    height: int  # of the prepared image, rows
    width: int  # columns
    boxes: int  # detections that leave the detector, the best first


class Tensor(NamedTuple):
    """One input or output, without the batch axis that comes first."""

    name: str
    dtype: Dtype
    dims: tuple[int, ...]


class Model(NamedTuple):
    """A graph that Triton serves."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


DETECTOR, CLASSIFIER, ENSEMBLE = "detector", "classifier", "screening"
KINDS = ("mass", "calcification")  # the values of the tensor `kind`, in order


def image(sizes: Sizes) -> Tensor:
    """The prepared view: 0 air to 255, chest wall on the left. Scaled inside the graph."""
    return Tensor("image", "UINT8", (1, sizes.height, sizes.width))


def boxes(sizes: Sizes) -> Tensor:
    """x0, y0, x1, y1 in prepared pixels; rows from `count` on are zero."""
    return Tensor("boxes", "FP32", (sizes.boxes, 4))


def detector(sizes: Sizes) -> Model:
    """A view in, its most conspicuous places out, the best first."""
    return Model(
        DETECTOR,
        (image(sizes),),
        (
            boxes(sizes),
            Tensor("detection", "FP32", (sizes.boxes,)),  # 0 to 1, how sure that it is a lesion
            Tensor("kind", "INT32", (sizes.boxes,)),  # index into KINDS
            Tensor("count", "INT32", (1,)),  # how many of the boxes are real
        ),
    )


def classifier(sizes: Sizes) -> Model:
    """A view and places in it in, what each of them looks like out; raw probabilities."""
    return Model(
        CLASSIFIER,
        (image(sizes), boxes(sizes)),
        (
            Tensor("lesion", "FP32", (sizes.boxes,)),  # P(a lesion, no false alarm)
            Tensor("malignancy", "FP32", (sizes.boxes,)),  # P(malignant, given a lesion)
        ),
    )


def ensemble(sizes: Sizes) -> Model:
    """What a client calls: the detector, then the classifier on what it found."""
    found = detector(sizes)
    return Model(ENSEMBLE, found.inputs, found.outputs + classifier(sizes).outputs)
