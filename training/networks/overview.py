"""Whether a view shows something malignant, without being told where: a look at the whole.

It begins with what a detector has learned (Shen et al., "Deep learning to improve breast cancer
detection on screening mammography", Scientific Reports 2019: a network of patches made one of
whole images), and weighs the evidence of each place by an attention that it learns (Ilse et al.,
"Attention-based deep multiple instance learning", ICML 2018). What differs: the view's mean is
seen too, as a lesion's contrast means little in dense tissue.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks import backbone

WIDTH = 64  # channels of every map behind the backbone


class Overview(nn.Module):
    """uint8 (n, 1, h, w) -> logits (n,) that the view shows something malignant.

    Height and width are multiples of 32.
    """

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__()
        self.backbone = backbone.Pyramid(pretrained)
        self.laterals = nn.ModuleList(nn.Conv2d(c, WIDTH, 1) for c in backbone.CHANNELS[1:])
        self.places = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1), nn.ReLU(inplace=True)
        )
        self.drop = nn.Dropout(0.3)
        self.attention = nn.Conv2d(WIDTH, 1, 1)
        self.judge = nn.Linear(2 * WIDTH, 1)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.backbone(backbone.seen(image))
        fine, _, _ = backbone.top_down(maps, self.laterals)
        places = self.places(fine)
        attention = self.attention(places).float()
        with torch.autocast("cpu", enabled=False):
            weight = torch.softmax(attention.flatten(1), dim=1)
            evidence = places.float().flatten(2)
            told = (evidence @ weight[:, :, None])[:, :, 0]
            pooled = self.drop(torch.cat([told, evidence.mean(dim=2)], dim=1))
            logits: Tensor = self.judge(pooled)[:, 0]
        return logits


class Served(nn.Module):
    """The overview as Triton serves it: image -> suspicion (n, 1) in 0..1."""

    def __init__(self, overview: Overview) -> None:
        super().__init__()
        self.overview = overview

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.overview(image))[:, None]


def loss(logits: Tensor, malignant: Tensor) -> Tensor:
    """Cross entropy of logits (n,) against whether views (n,) show something malignant."""
    return F.binary_cross_entropy_with_logits(logits, malignant)
