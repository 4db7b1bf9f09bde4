"""Convolutions in FP16, all else in FP32: what a GPU's tensor cores are fast at, and no more.

The precision is explicit in the graph, as strongly typed TensorRT wants it. Pictures, scores and
boxes stay FP32: the networks say `.float()` where a map becomes one of these.
"""

import copy

import torch
from torch import Tensor, nn


class _Half(nn.Conv2d):
    """FP16 weights and output; whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(torch.float16))


def halved(model: nn.Module) -> nn.Module:
    """A copy whose convolutions work in FP16."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.half()
            module.__class__ = _Half
    return model
