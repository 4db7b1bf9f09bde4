"""What the detector is trained towards: a bump at each lesion's middle, and its four sides.

Penalty-reduced focal loss and Gaussian targets as in Zhou et al., "Objects as Points", 2019,
equations 1 to 3; box loss is generalised IoU (Rezatofighi et al., CVPR 2019) weighted by the
bump. What differs: the Gaussian follows the box's own width and height.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

ALPHA, BETA = 2.0, 4.0  # focusing exponents of the paper
SPREAD = 6.0  # box's side over the Gaussian's deviation


def targets(
    boxes: list[Tensor], kinds: list[Tensor], shape: tuple[int, int, int], stride: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Heat (n, kinds, h, w) in 0..1, distances (n, 4, h, w) in pixels, their weight (n, h, w).

    boxes are (m, 4) pixels of the crop, one tensor an image; kinds index the first axis of
    `shape` = (kinds, h, w).
    """
    count, h, w = shape
    n = len(boxes)
    heat, sides, weight = torch.zeros(n, count, h, w), torch.ones(n, 4, h, w), torch.zeros(n, h, w)
    y = (torch.arange(h) + 0.5)[:, None] * stride
    x = (torch.arange(w) + 0.5)[None] * stride
    for i in range(n):
        for (x0, y0, x1, y1), kind in zip(boxes[i].tolist(), kinds[i].tolist(), strict=True):
            middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
            # The cell that holds the middle is exactly one, so shift the bump onto its middle.
            column, row = int(middle_x // stride), int(middle_y // stride)
            if not (0 <= column < w and 0 <= row < h):
                continue
            spread_x = max((x1 - x0) / SPREAD, stride * 0.6)
            spread_y = max((y1 - y0) / SPREAD, stride * 0.6)
            dx, dy = (x - (column + 0.5) * stride) / spread_x, (y - (row + 0.5) * stride) / spread_y
            bump = torch.exp(-0.5 * (dx * dx + dy * dy))
            heat[i, kind] = torch.maximum(heat[i, kind], bump)
            near = (bump > weight[i]) & (bump > 0.3)
            reach = torch.stack(
                [
                    (x - x0).expand(h, w),
                    (y - y0).expand(h, w),
                    (x1 - x).expand(h, w),
                    (y1 - y).expand(h, w),
                ]
            )
            sides[i] = torch.where(near, reach, sides[i])
            weight[i] = torch.where(near, bump, weight[i])
    return heat, sides, weight


def counted(ignored: list[Tensor], complete: Tensor, shape: tuple[int, int], stride: int) -> Tensor:
    """1.0 where a cell without a lesion is truly without: (n, kinds, h, w).

    0.0 in ignored boxes (m, 4), one tensor an image, and for kinds of which not all lesions are
    marked, complete (n, kinds) bool.
    """
    h, w = shape
    y = ((torch.arange(h) + 0.5) * stride)[:, None]
    x = ((torch.arange(w) + 0.5) * stride)[None]
    sure = complete.float()[:, :, None, None].repeat(1, 1, h, w)
    for i, boxes in enumerate(ignored):
        for x0, y0, x1, y1 in boxes.tolist():
            sure[i] *= 1.0 - ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).float()
    return sure


def focal(logits: Tensor, heat: Tensor, sure: Tensor) -> Tensor:
    """Sum over cells divided by the number of lesions; all (n, kinds, h, w), sure from `counted`."""
    logits = logits.float()
    log_p, log_not = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = log_p.exp()
    positive = (heat >= 1.0).float()
    hit = positive * (1 - p) ** ALPHA * log_p
    miss = (1 - positive) * sure * (1 - heat) ** BETA * p**ALPHA * log_not
    return -(hit + miss).sum() / positive.sum().clamp(min=1.0)


def giou(ours: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of 1 - GIoU of boxes given by distances (n, 4, h, w) from the same cells."""
    a, b = ours.float(), theirs.clamp(min=0.5)
    left, top, right, bottom = torch.minimum(a, b).unbind(1)
    inter = (left + right) * (top + bottom)
    area_a = (a[:, 0] + a[:, 2]) * (a[:, 1] + a[:, 3])
    area_b = (b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3])
    union = area_a + area_b - inter
    left, top, right, bottom = torch.maximum(a, b).unbind(1)
    hull = (left + right) * (top + bottom)
    loss = 1 - inter / union + (hull - union) / hull
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
