"""Where single calcifications are: a small network at stride 2 that sees three millimetres around.

A calcification is two or three prepared pixels wide, which ImageNet's first layers were not made
for, and a cluster is nothing but calcifications: what tells one from a duct or from noise is
learnt first and by itself, from phantoms, whose every speck is known. The detector begins with
what it has learnt.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 2
WIDTH, AROUND = 16, 32  # channels at stride 2 and 4
RARE = -5.0  # logit before training: one pixel in a hundred and fifty


class Specks(nn.Module):
    """`backbone.pictures` (n, 3, h, w) -> features (n, WIDTH + 1, h/2, w/2).

    The last channel is the logit of a calcification there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, WIDTH, 3, stride=STRIDE, padding=1),
            nn.ReLU(inplace=True),
        )
        self.near = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        # What is around, at stride 4: dilated convolutions have no backward in bfloat16.
        self.around = nn.Sequential(
            nn.Conv2d(WIDTH, AROUND, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(AROUND, AROUND, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(AROUND, AROUND, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(AROUND, WIDTH, 1),
        )
        self.both = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.speck = nn.Conv2d(WIDTH, 1, 1)
        nn.init.constant_(self.speck.bias, RARE)

    def forward(self, seen: Tensor) -> Tensor:
        x = self.begin(seen)
        around = F.interpolate(self.around(x), scale_factor=2.0, mode="nearest")
        x = self.both(self.near(x) + around)
        return torch.cat([x, self.speck(x)], dim=1)


def targets(specks: list[Tensor], shape: tuple[int, int]) -> Tensor:
    """1.0 where a calcified pixel lies: specks (m, 2) x and y, one tensor an image -> (n, h, w).

    shape: h, w of the maps.
    """
    wanted = torch.zeros(len(specks), *shape)
    for image, places in zip(wanted, specks, strict=True):
        x, y = (places // STRIDE).unbind(1)
        image[y, x] = 1.0
    return wanted


def loss(features: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of the logits, (n, WIDTH + 1, h, w) against (n, h, w), for each speck pixel."""
    missed = F.binary_cross_entropy_with_logits(features[:, -1].float(), wanted, reduction="sum")
    return missed / wanted.sum().clamp(min=1.0)
