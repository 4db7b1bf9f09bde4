"""Trains the detector on cuts of phantoms and of real pictures; what it knows of specks stays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import crops, loop, team, train_specks
from training.networks import detector, losses
from training.recipe import Stage
from triton_repo.contract import KINDS

BOX_WEIGHT = 1.0  # of the box loss beside the heat's


def train(sources: Sequence[crops.Source], stage: Stage, folder: Path) -> None:
    """Train to the end; goes on from a checkpoint in `folder`."""
    torch.manual_seed(stage.seed)
    model = detector.Detector()
    model.backbone.freeze(stage.frozen_stages)
    model.specks = train_specks.trained(folder).requires_grad_(requires_grad=False)

    def loss_at(step: int) -> Tensor:
        return loss(model, crops.batch(sources, stage.batch, stage.seed, step, team.place()))

    loop.train(model, loss_at, stage, folder, "detector")


def trained(folder: Path) -> detector.Detector:
    """The detector of the checkpoint in `folder`, with averaged weights."""
    model = detector.Detector(pretrained=False)
    loop.averaged(model, folder, "detector")
    return model


def loss(model: detector.Detector, batch: Sequence[crops.Crop]) -> Tensor:
    """Heat and box loss of a batch of cuts."""
    pictures = torch.from_numpy(np.stack([crop.picture for crop in batch]))[:, None]
    heat, sides = model(pictures)
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
