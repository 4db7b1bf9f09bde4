"""Trains a detector, of one design or another, on cuts of phantoms and of real pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training import crops, loop, team, train_specks
from training.networks import detector, losses, retina
from training.recipe import Detector as Stage
from triton_repo.contract import KINDS, Sizes

BOX_WEIGHT = 1.0  # of the box loss beside the heat's


Network = detector.Detector | retina.Retina


class Design(NamedTuple):
    """A way of finding lesions: a network, what it learns from, how it is served."""

    begin: Callable[[Path], Any]  # pretrained; the folder has what was learned before
    blank: Callable[[], Any]  # for a checkpoint's weights
    loss: Callable[[Any, Sequence[crops.Crop]], Tensor]
    served: Callable[[Any, Sizes], nn.Module]


def train(sources: Sequence[crops.Source], stage: Stage, folder: Path, name: str) -> None:
    """Train to the end; goes on from a checkpoint in `folder`."""
    torch.manual_seed(stage.seed)
    design = DESIGNS[stage.design]
    model = design.begin(folder)
    model.backbone.freeze(stage.frozen_stages)

    def loss_at(step: int) -> Tensor:
        batch = crops.batch(sources, stage.batch, stage.seed, step, team.place())
        return design.loss(model, batch)

    loop.train(model, loss_at, stage, folder, name)


def trained(stage: Stage, folder: Path, name: str) -> Network:
    """The detector of the checkpoint in `folder`, with averaged weights."""
    model: Network = DESIGNS[stage.design].blank()
    loop.averaged(model, folder, name)
    return model


def _pictures(batch: Sequence[crops.Crop]) -> Tensor:
    return torch.from_numpy(np.stack([crop.picture for crop in batch]))[:, None]


def _middles(folder: Path) -> detector.Detector:
    """What it knows of specks stays."""
    model = detector.Detector()
    model.specks = train_specks.trained(folder).requires_grad_(requires_grad=False)
    return model


def _loss_of_middles(model: detector.Detector, batch: Sequence[crops.Crop]) -> Tensor:
    heat, sides = model(_pictures(batch))
    boxes = [torch.from_numpy(crop.boxes) for crop in batch]
    kinds = [torch.from_numpy(crop.kinds) for crop in batch]
    cells = crops.SIDE // detector.STRIDE
    wanted, reach, near = losses.targets(boxes, kinds, (len(KINDS), cells, cells), detector.STRIDE)
    counted = losses.counted(
        [torch.from_numpy(crop.ignored) for crop in batch],
        torch.tensor([crop.complete for crop in batch]),
        (cells, cells),
        detector.STRIDE,
    )
    return losses.focal(heat, wanted, counted) + BOX_WEIGHT * losses.giou(sides, reach, near)


def _loss_of_anchors(model: retina.Retina, batch: Sequence[crops.Crop]) -> Tensor:
    return retina.loss(
        model(_pictures(batch)),
        (crops.SIDE, crops.SIDE),
        [torch.from_numpy(crop.boxes).float() for crop in batch],
        [torch.from_numpy(crop.kinds) for crop in batch],
        [torch.from_numpy(crop.ignored).float() for crop in batch],
        torch.tensor([crop.complete for crop in batch]),
    )


DESIGNS = {
    "middles": Design(
        _middles,
        lambda: detector.Detector(pretrained=False),
        _loss_of_middles,
        lambda model, sizes: detector.Served(model, sizes.boxes),
    ),
    "retina": Design(
        lambda _: retina.Retina(),
        lambda: retina.Retina(pretrained=False),
        _loss_of_anchors,
        lambda model, sizes: retina.Served(model, (sizes.height, sizes.width), sizes.boxes),
    ),
}
