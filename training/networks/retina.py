"""Where a lesion is, seen otherwise: RetinaNet over MobileNetV2.

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, with torchvision's heads: boxes
around anchors of nine sizes on three maps, where `detector` looks for middles on one. What
differs: MobileNetV2 for ResNet, 64 channels, square anchors alone (lesions are seldom twice as
long as wide), and a box loss by generalised IoU (Rezatofighi et al., CVPR 2019).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.networks import backbone
from training.networks.decode import CANDIDATES, FLOOR, best_of, suppress
from training.shim import torchvision

STRIDES = (8, 16, 32)
WIDTH = 64  # channels of the pyramid and the heads
SIZES = (3.0, 3.0 * 2 ** (1 / 3), 3.0 * 2 ** (2 / 3))  # of anchors, in strides: 24 to 152 pixels
HIT, MISS = 0.5, 0.4  # overlap with a lesion from which an anchor is one, below which it is none
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss, the paper's
LONGEST = math.log(4.0)  # how much a box may outgrow its anchor


class Retina(nn.Module):
    """Grey 0 to 255 (n, 1, h, w) -> logits (n, a, kinds) and shifts (n, a, 4) of all anchors.

    h and w are multiples of 32.
    """

    def __init__(self, kinds: int = 2, pretrained: bool = True) -> None:  # noqa: FBT001, FBT002
        super().__init__()
        self.backbone = backbone.Pyramid(pretrained)
        self.laterals = nn.ModuleList(nn.Conv2d(c, WIDTH, 1) for c in backbone.CHANNELS[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in STRIDES)
        heads = torchvision.models.detection.retinanet
        self.kinds = heads.RetinaNetClassificationHead(WIDTH, len(SIZES), kinds)
        self.shifts = heads.RetinaNetRegressionHead(WIDTH, len(SIZES))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = backbone.top_down(self.backbone(backbone.seen(image)), self.laterals)
        levels = [smooth(p) for smooth, p in zip(self.smooth, maps, strict=True)]
        return self.kinds(levels).float(), self.shifts(levels).float()

    def favour(self, kind: int, logit: float) -> None:
        """Move the logit of one kind everywhere."""
        with torch.no_grad():
            self.kinds.cls_logits.bias.view(len(SIZES), -1)[:, kind] += logit


def anchors(size: tuple[int, int]) -> Tensor:
    """Boxes (a, 4) of a picture of `size` (height, width), in the order of the network's rows."""
    found = []
    for stride in STRIDES:
        y = (torch.arange(size[0] // stride) + 0.5) * stride
        x = (torch.arange(size[1] // stride) + 0.5) * stride
        half = torch.tensor(SIZES) * stride / 2
        middle_y, middle_x, reach = torch.meshgrid(y, x, half, indexing="ij")
        corners = (middle_x - reach, middle_y - reach, middle_x + reach, middle_y + reach)
        found.append(torch.stack(corners, dim=-1).reshape(-1, 4))
    return torch.cat(found)


def placed(shifts: Tensor, around: Tensor) -> Tensor:
    """Boxes (..., 4) from shifts (..., 4) of the anchors `around` (..., 4)."""
    side = around[..., 2:] - around[..., :2]
    middle = around[..., :2] + side / 2 + shifts[..., :2] * side
    half = side * shifts[..., 2:].clamp(-LONGEST, LONGEST).exp() / 2
    return torch.cat([middle - half, middle + half], dim=-1)


def matches(around: Tensor, boxes: Tensor) -> Tensor:
    """For each anchor (a, 4) the number of its lesion (m, 4), -1 for none, -2 for in between.

    Each lesion has at least the anchors that overlap it most.
    """
    if not len(boxes):
        return torch.full((len(around),), -1)
    overlap = torchvision.ops.box_iou(boxes, around)
    best, lesion = overlap.max(dim=0)
    lesion = torch.where(best < MISS, -1, torch.where(best < HIT, -2, lesion))
    most = overlap.amax(dim=1, keepdim=True)
    number, anchor = torch.where((overlap >= most - 1e-6) & (most > 0))
    lesion[anchor] = number
    return lesion


def loss(
    said: tuple[Tensor, Tensor],
    size: tuple[int, int],
    boxes: Sequence[Tensor],
    kinds: Sequence[Tensor],
    ignored: Sequence[Tensor],
    complete: Tensor,
) -> Tensor:
    """Focal and box loss of a batch, each over the number of anchors that are lesions.

    boxes (m, 4) and kinds (m,) of each picture's lesions; anchors whose middle lies in one of
    `ignored` (i, 4) are neither, nor are those of a kind that is not `complete` (n, kinds).
    """
    around = anchors(size)
    middle = (around[:, :2] + around[:, 2:]) / 2
    logits, shifts = said
    classes = logits.new_zeros(())
    boxed = 0.0 * shifts.sum()  # a gradient for every parameter, on a batch without lesions too
    hits = 0
    for i, lesions in enumerate(boxes):
        lesion = matches(around, lesions)
        hit = lesion >= 0
        hits += int(hit.sum())
        wanted = torch.zeros_like(logits[i])
        wanted[hit, kinds[i][lesion[hit]]] = 1.0
        sure = complete[i].float().expand_as(wanted) * (lesion != -2)[:, None]
        for x0, y0, x1, y1 in ignored[i].tolist():
            x, y = middle.unbind(1)
            sure = sure * ~((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))[:, None]
        sure = torch.where(hit[:, None], wanted.amax(dim=1, keepdim=True), sure)
        focal = torchvision.ops.sigmoid_focal_loss(logits[i], wanted, ALPHA, GAMMA)
        classes = classes + (focal * sure).sum()
        if hit.any():
            ours = placed(shifts[i][hit], around[hit])
            boxed = boxed + torchvision.ops.generalized_box_iou_loss(
                ours, lesions[lesion[hit]], reduction="sum"
            )
    return (classes + boxed) / max(hits, 1)


class Served(nn.Module):
    """The network as Triton serves it: image -> boxes, detection, kind, count."""

    def __init__(self, trained: Retina, size: tuple[int, int], boxes: int) -> None:
        super().__init__()
        self.retina = trained
        self.boxes = boxes
        self.size = size
        self.register_buffer("around", anchors(size))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, shifts = self.retina(image.float())
        best, kind = logits.max(dim=2)
        score, place = torch.topk(torch.sigmoid(best), CANDIDATES, dim=1)
        four = place[:, :, None].expand(-1, -1, 4)
        around = self.around[None].expand(image.shape[0], -1, -1)
        boxes = placed(torch.gather(shifts, 1, four), torch.gather(around, 1, four))
        height, width = map(float, self.size)
        low, high = boxes.new_zeros(4), boxes.new_tensor([width, height, width, height])
        boxes = torch.minimum(torch.maximum(boxes, low), high)
        valid = suppress(boxes) * (score > FLOOR).to(score.dtype)
        return best_of(boxes, score * valid, torch.gather(kind, 1, place), self.boxes)
