"""Trains a classifier on lesions and on what the detectors took for lesions."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training import loop, patches, team
from training.networks.classifier import Classifier
from training.recipe import Classifier as Stage


def train(pools: Sequence[patches.Pool], stage: Stage, folder: Path, name: str) -> None:
    """Train to the end; goes on from a checkpoint in `folder`."""
    torch.manual_seed(stage.seed)
    model = Classifier(stage.margin)
    model.backbone.freeze(stage.frozen_stages)

    def loss_at(step: int) -> Tensor:
        pictures, sizes, labels = patches.batch(
            pools, stage.batch, stage.seed, step, team.place(), stage.margin
        )
        cut = torch.from_numpy(pictures)[:, None].float() / 255.0
        logits = model.judge(cut, torch.from_numpy(sizes))
        return F.cross_entropy(logits, torch.from_numpy(labels))

    loop.train(model, loss_at, stage, folder, name)


def trained(stage: Stage, folder: Path, name: str) -> Classifier:
    """The classifier of the checkpoint in `folder`, with averaged weights."""
    model = Classifier(stage.margin, pretrained=False)
    loop.averaged(model, folder, name)
    return model
