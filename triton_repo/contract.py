"""Tensor names, dtypes and ranks: the only place where they are written.

What Triton serves, what the exporter writes, what the client sends and what the tests check
all derive from here. Sizes (height, width, number of boxes) come from a release's manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from mammo.findings import RawView

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


class Step(NamedTuple):
    """A model of the ensemble: its tensors, and what the ensemble calls them."""

    model: Model
    reads: dict[str, str]  # every input
    writes: dict[str, str]  # the outputs that something reads: Triton refuses others


DETECTOR, CLASSIFIER, ENSEMBLE = "detector", "classifier", "screening"
# What makes several detectors, classifiers of places, or classifiers of whole views one.
FUSION, AVERAGE, OVERALL = "fusion", "average", "overall"
KINDS = ("mass", "calcification")  # the values of the tensor `kind`, in order


@dataclass(frozen=True, slots=True)
class Members:
    """The networks of an ensemble, by the names of their models."""

    detectors: tuple[str, ...] = (DETECTOR,)  # at least one
    classifiers: tuple[str, ...] = (CLASSIFIER,)  # of places; at least one
    views: tuple[str, ...] = ()  # classifiers of whole views


ONE = Members()  # detector and classifier


def image(sizes: Sizes) -> Tensor:
    """The prepared view: 0 air to 255, chest wall on the left. Scaled inside the graph."""
    return Tensor("image", "UINT8", (1, sizes.height, sizes.width))


def boxes(sizes: Sizes) -> Tensor:
    """x0, y0, x1, y1 in prepared pixels; rows from `count` on are zero."""
    return Tensor("boxes", "FP32", (sizes.boxes, 4))


def detector(sizes: Sizes, name: str = DETECTOR) -> Model:
    """A view in, its most conspicuous places out, the best first."""
    return Model(
        name,
        (image(sizes),),
        (
            boxes(sizes),
            Tensor("detection", "FP32", (sizes.boxes,)),  # 0 to 1, how sure that it is a lesion
            Tensor("kind", "INT32", (sizes.boxes,)),  # index into KINDS
            Tensor("count", "INT32", (1,)),  # how many of the boxes are real
        ),
    )


def classifier(sizes: Sizes, name: str = CLASSIFIER) -> Model:
    """A view and places in it in, what each of them looks like out; raw probabilities."""
    return Model(
        name,
        (image(sizes), boxes(sizes)),
        (
            Tensor("lesion", "FP32", (sizes.boxes,)),  # P(a lesion, no false alarm)
            Tensor("malignancy", "FP32", (sizes.boxes,)),  # P(malignant, given a lesion)
        ),
    )


def view_classifier(sizes: Sizes, name: str) -> Model:
    """A view in, what it looks like as a whole out."""
    suspicion = Tensor("suspicion", "FP32", (1,))  # 0 to 1, that it shows something malignant
    return Model(name, (image(sizes),), (suspicion,))


def ensemble(sizes: Sizes, members: Members = ONE) -> Model:
    """What a client calls: detectors, classifiers on what these found and, if any, of the view."""
    found = detector(sizes)
    outputs = found.outputs + classifier(sizes).outputs
    if members.views:
        outputs += view_classifier(sizes, OVERALL).outputs
    return Model(ENSEMBLE, found.inputs, outputs)


def answer(said: Mapping[str, NDArray[Any]]) -> RawView:
    """The ensemble's answer from its outputs, without the batch axis, by name."""
    return RawView(
        count=int(said["count"][0]),
        boxes=said["boxes"],
        detection=said["detection"],
        kind=said["kind"],
        lesion=said["lesion"],
        malignancy=said["malignancy"],
        suspicion=float(said["suspicion"][0]) if "suspicion" in said else None,
    )


def steps(sizes: Sizes, members: Members = ONE) -> tuple[Step, ...]:
    """The models of the ensemble in the order in which they run."""
    return (
        *finding(sizes, members.detectors),
        *judging(sizes, members.classifiers),
        *viewing(sizes, members.views),
    )


def finding(sizes: Sizes, detectors: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps that find places, in a view."""
    return _together([detector(sizes, name) for name in detectors], FUSION)


def judging(sizes: Sizes, classifiers: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps that judge the places found."""
    return _together([classifier(sizes, name) for name in classifiers], AVERAGE)


def viewing(sizes: Sizes, classifiers: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps that judge the view as a whole."""
    return _together([view_classifier(sizes, name) for name in classifiers], OVERALL)


def _together(models: list[Model], joint: str) -> tuple[Step, ...]:
    """Models that answer alike, and where there are several the joint that makes them one.

    The joint's inputs are their outputs in turn, numbered; it needs no count.
    """
    if not models:
        return ()
    outputs = models[0].outputs
    if len(models) == 1:
        return (Step(models[0], _same(models[0].inputs), _same(outputs)),)
    told = [tensor for tensor in outputs if tensor.name != "count"]
    alone = [
        Step(model, _same(model.inputs), {t.name: f"{t.name}_of_{model.name}" for t in told})
        for model in models
    ]
    every = [(tensor, number, step) for number, step in enumerate(alone) for tensor in told]
    inputs = tuple(Tensor(f"{t.name}_{number}", t.dtype, t.dims) for t, number, _ in every)
    reads = {f"{t.name}_{number}": step.writes[t.name] for t, number, step in every}
    return (*alone, Step(Model(joint, inputs, outputs), reads, _same(outputs)))


def _same(tensors: tuple[Tensor, ...]) -> dict[str, str]:
    """Under their own names."""
    return {tensor.name: tensor.name for tensor in tensors}
