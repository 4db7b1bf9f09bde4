"""Trains a classifier of whole views, which begins with what a detector has learned."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training import loop, team, wholes
from training.networks import overview
from training.networks.overview import Overview
from training.recipe import ViewClassifier as Stage
from training.train_detector import Network


def train(
    sources: Sequence[tuple[wholes.Source, float]],
    stage: Stage,
    begun: Network,
    folder: Path,
    name: str,
) -> None:
    """Train to the end; goes on from a checkpoint in `folder`. `begun` is the detector."""
    torch.manual_seed(stage.seed)
    model = Overview()
    model.backbone.load_state_dict(begun.backbone.state_dict())
    model.laterals.load_state_dict(begun.laterals.state_dict())
    model.backbone.freeze(stage.frozen_stages)

    def loss_at(step: int) -> Tensor:
        pictures, labels = wholes.batch(sources, stage.batch, stage.seed, step, team.place())
        return overview.loss(model(torch.from_numpy(pictures)[:, None]), torch.from_numpy(labels))

    loop.train(model, loss_at, stage, folder, name)


def trained(folder: Path, name: str) -> Overview:
    """The network of the checkpoint in `folder`, with averaged weights."""
    model = Overview(pretrained=False)
    loop.averaged(model, folder, name)
    return model
