"""Trains the network of single calcifications on small cuts of phantoms."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training import crops, loop, team
from training.networks import backbone, specks
from training.recipe import Stage

SIDE = 192  # pixels of a cut


class Alone(nn.Module):
    """Grey 0 to 255 (n, 1, h, w) -> the features of `specks`."""

    def __init__(self) -> None:
        super().__init__()
        self.specks = specks.Specks()

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.specks(backbone.seen(image))
        return features


def train(sources: Sequence[crops.Source], stage: Stage, folder: Path) -> None:
    """Train to the end; goes on from a checkpoint in `folder`."""
    torch.manual_seed(stage.seed)
    model = Alone()

    def loss_at(step: int) -> Tensor:
        batch = crops.batch(sources, stage.batch, stage.seed, step, team.place(), SIDE)
        pictures = torch.from_numpy(np.stack([crop.picture for crop in batch]))[:, None]
        cells = SIDE // specks.STRIDE
        wanted = specks.targets([torch.from_numpy(crop.specks) for crop in batch], (cells, cells))
        return specks.loss(model(pictures), wanted)

    loop.train(model, loss_at, stage, folder, "specks")


def trained(folder: Path) -> specks.Specks:
    """The network of the checkpoint in `folder`, with averaged weights."""
    model = Alone()
    loop.averaged(model, folder, "specks")
    return model.specks
