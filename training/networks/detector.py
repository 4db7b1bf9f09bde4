"""Where a lesion is: MobileNetV2, a feature pyramid and a heatmap of centres at stride 8.

Heads as in Zhou et al., "Objects as Points", 2019; boxes as distances to the four sides as in
Tian et al., "FCOS", ICCV 2019; pyramid as in Lin et al., "Feature Pyramid Networks", CVPR 2017,
summed up to stride 8 only. Beside it what `specks` knows of single calcifications.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks import backbone, decode, specks
from training.networks.looks import upside_down

STRIDE = 8
WIDTH = 64  # channels of the pyramid
UNIT = 8.0  # prepared pixels of a distance's unit
PRIOR = -4.6  # logit of the heatmap before training: one cell in a hundred


def _conv(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Detector(nn.Module):
    """Grey 0 to 255 (n, 1, h, w) -> heat (n, kinds, h/8, w/8) and distances (n, 4, h/8, w/8).

    h and w are multiples of 32.
    """

    def __init__(self, kinds: int = 2, pretrained: bool = True) -> None:  # noqa: FBT001, FBT002
        super().__init__()
        self.backbone = backbone.Pyramid(pretrained)
        self.laterals = nn.ModuleList(nn.Conv2d(c, WIDTH, 1) for c in backbone.CHANNELS[1:])
        self.specks = specks.Specks()
        self.clusters = nn.Sequential(
            nn.Conv2d(specks.WIDTH + 1, 48, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(48, WIDTH, 3, stride=2, padding=1),
        )
        self.smooth = nn.Sequential(_conv(WIDTH), _conv(WIDTH))
        self.heat = nn.Conv2d(WIDTH, kinds, 1)
        self.sides = nn.Conv2d(WIDTH, 4, 1)
        nn.init.constant_(self.heat.bias, PRIOR)
        nn.init.constant_(self.sides.bias, 2.0)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        seen = backbone.seen(image)
        p3, _, _ = backbone.top_down(self.backbone(seen), self.laterals)
        p3 = p3 + self.clusters(self.specks(seen))
        x = self.smooth(p3)
        return self.heat(x).float(), F.softplus(self.sides(x).float()) * UNIT

    def favour(self, kind: int, logit: float) -> None:
        """Move the logit of one kind everywhere."""
        with torch.no_grad():
            self.heat.bias[kind] += logit


LARGER = 1.25  # of the third look; height and width are multiples of 128, so that it fits


class Served(nn.Module):
    """The detector as Triton serves it: image -> boxes, detection, kind, count.

    It looks three times and takes the mean logit: at the picture as it is, upside down, and a
    quarter larger. What is noise to the network differs between the looks, a lesion does not.
    """

    def __init__(self, detector: Detector, boxes: int) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector).eval()
        backbone.fold(self.detector.smooth)  # exporters fold only what is used once
        self.boxes = boxes

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        size = (image.shape[2], image.shape[3])
        grey = image.float()
        heat, sides = self.detector(grey)
        turned, reach = self.detector(upside_down(grey))
        magnified = (int(size[0] * LARGER), int(size[1] * LARGER))
        third, _ = self.detector(
            F.interpolate(grey, size=magnified, mode="bilinear", align_corners=False)
        )
        cells = (heat.shape[2], heat.shape[3])
        third = F.interpolate(third, size=cells, mode="bilinear", align_corners=False)
        heat = (heat + upside_down(turned) + third) / 3
        left, top, right, bottom = upside_down(reach).unbind(1)
        sides = (sides + torch.stack([left, bottom, right, top], dim=1)) / 2
        return decode.decode(heat, sides, STRIDE, size, self.boxes)
