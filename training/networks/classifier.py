"""Whether a lesion is malignant: crops around boxes, cut in the graph, through MobileNetV2.

Crops come from GridSample, which all runtimes have, at twice the resolution that the network
sees and averaged 2 x 2, so that a large lesion is not sampled with holes. The head sees features
of four depths, since what tells calcifications apart is two or three pixels wide, and the size
of the lesion, which the crop's scaling hides. It learns three outcomes, not two: a benign lesion
and a false alarm have nothing in common but that neither is malignant.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks import backbone
from training.networks.looks import upside_down

SIDE = 128  # of a crop as the network sees it, pixels
MARGIN = 1.6  # crop's side over the box's longer side, unless a recipe says otherwise
SMALLEST = 64.0  # prepared pixels that a crop shows at least
OUTCOMES = ("malignant", "benign", "nothing")
MALIGNANT, BENIGN, NOTHING = range(len(OUTCOMES))


def regions(boxes: Tensor, margin: float = MARGIN) -> tuple[Tensor, Tensor]:
    """Middle (n, k, 2) and side (n, k) of the square cut around each box, prepared pixels."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    longer = (boxes[..., 2:] - boxes[..., :2]).amax(dim=-1)
    return middle, (longer * margin).clamp(min=SMALLEST)


def crops(image: Tensor, boxes: Tensor, margin: float = MARGIN) -> Tensor:
    """Squares around boxes: image (n, 1, h, w) in 0..1, boxes (n, k, 4) -> (n * k, 1, SIDE, SIDE)."""
    n, k = boxes.shape[:2]
    h, w = image.shape[2:]
    middle, side = regions(boxes, margin)
    fine = 2 * SIDE
    step = (torch.arange(fine, dtype=image.dtype, device=image.device) + 0.5) / fine - 0.5
    x = middle[..., 0, None] + side[..., None] * step
    y = middle[..., 1, None] + side[..., None] * step
    x = (x / w * 2 - 1)[:, :, None, :].expand(n, k, fine, fine)
    y = (y / h * 2 - 1)[:, :, :, None].expand(n, k, fine, fine)
    grid = torch.stack([x, y], dim=-1).reshape(n, k * fine, fine, 2)
    cut = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(cut.reshape(n * k, 1, fine, fine), 2)


class Classifier(nn.Module):
    """uint8 (n, 1, h, w) and boxes (n, k, 4) -> logits (n, k, 3) of OUTCOMES.

    It looks twice, at each crop as it is and upside down, and takes the mean.
    """

    def __init__(self, margin: float = MARGIN, *, pretrained: bool = True) -> None:
        super().__init__()
        self.margin = margin
        self.backbone = backbone.Pyramid(pretrained, top=True)
        self.specks = nn.Sequential(
            _conv(3, 32, stride=2), _conv(32, 32), _conv(32, 64, stride=2), _conv(64, 64)
        )
        seen = backbone.CHANNELS[1] + backbone.CHANNELS[2] + backbone.TOP + 64
        self.drop = nn.Dropout(0.3)
        self.judge_features = nn.Linear(2 * seen + 2, len(OUTCOMES))

    def forward(self, image: Tensor, boxes: Tensor) -> Tensor:
        cut = crops(image.float() / 255.0, boxes, self.margin)
        size = ((boxes[..., 2:] - boxes[..., :2]).clamp(min=1.0).log() - 4.0).reshape(-1, 2)
        logits = (self.judge(cut, size) + self.judge(upside_down(cut), size)) / 2
        return logits.reshape(*boxes.shape[:2], len(OUTCOMES))

    def judge(self, cut: Tensor, size: Tensor) -> Tensor:
        """Crops (m, 1, SIDE, SIDE) in 0..1 and log sizes (m, 2) -> logits (m, 3)."""
        with torch.autocast("cpu", enabled=False):
            seen = backbone.pictures(cut)
        seen = seen.contiguous(memory_format=torch.channels_last)
        _, fine, middle, _, top = self.backbone(seen)
        maps = [m.float() for m in (fine, middle, top, self.specks(seen))]
        means = [m.mean(dim=(2, 3)) for m in maps]
        peaks = [m.amax(dim=(2, 3)) for m in maps]
        pooled = torch.cat([*means, *peaks, size], dim=1)
        with torch.autocast("cpu", enabled=False):
            logits: Tensor = self.judge_features(self.drop(pooled))
        return logits


class Served(nn.Module):
    """The classifier as Triton serves it: image, boxes -> lesion and malignancy in 0..1.

    The first is the probability that a place is no false alarm, the second that a lesion there
    is malignant.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.classifier(image, boxes)
        lesion = 1 - torch.softmax(logits, dim=-1)[..., NOTHING]
        return lesion, torch.sigmoid(logits[..., MALIGNANT] - logits[..., BENIGN])


def _conv(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=stride, padding=1), nn.ReLU(inplace=True)
    )
