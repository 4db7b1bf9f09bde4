"""A run's models exported: `NAME.onnx` for the CPU, `tensorrt/NAME.onnx` for GPUs.

The first is FP32 and of batch 1. The second is of any batch that Triton may fill, with the
convolutions in the recipe's precision.
"""

from pathlib import Path

import torch

from training import export, exported, served
from training.datasets.store import Gray
from training.networks.halves import halved
from training.recipe import Recipe
from triton_repo import contract
from triton_repo.configs import MAX_BATCH
from triton_repo.contract import Model, Sizes


def write(out: Path, chosen: Recipe, sizes: Sizes, name: str, picture: Gray) -> None:
    """Both graphs of a model, unless they are there; checked on a prepared view (h, w)."""
    path, planned = exported.graph(out, name), exported.planned(out, name)
    if path.is_file() and planned.is_file():
        return
    model = served.model(out, chosen, sizes, name)
    named = next(s.model for s in contract.steps(sizes, chosen.members) if s.model.name == name)
    example = export.examples(named, _tensor(picture), _places(out, chosen, named, picture))
    if not path.is_file():
        export.write(model, named, example, path)
    if chosen.precision == "FP16":
        model = halved(model)
    export.write(model, named, example, planned, most=MAX_BATCH["tensorrt"])


def unbalanced(out: Path, chosen: Recipe, sizes: Sizes, name: str, picture: Gray) -> Path:
    """The graph of a detector whose kinds are not weighed against each other yet."""
    path = out / f"{name}-unbalanced.onnx"
    if not path.is_file():
        model = served.detector(out, chosen, sizes, name, moved=0.0)
        export.write(model, contract.detector(sizes, name), {"image": _tensor(picture)}, path)
    return path


def _tensor(picture: Gray) -> torch.Tensor:
    return torch.from_numpy(picture[None, None])


def _places(out: Path, chosen: Recipe, named: Model, picture: Gray) -> torch.Tensor:
    """What the detectors mark, for a model that is asked about places (1, k, 4)."""
    places = torch.zeros(1, chosen.boxes, 4)
    if "boxes" in {tensor.name for tensor in named.inputs}:
        found = exported.search(out, chosen.members.detectors)(picture).boxes
        places[0, : len(found)] = torch.from_numpy(found)
    return places
