"""From maps to boxes inside the graph, in fixed shapes and with operators that every runtime has.

Peaks as in Zhou et al., "Objects as Points", 2019. Non-maximum suppression is exact: repeating
`kept = not suppressed by a kept one of higher rank` reaches greedy suppression's result after
as many rounds as the longest chain of suppressions, and needs only comparisons and MatMul.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

CANDIDATES = 64  # peaks that compete
ROUNDS = 12  # of suppression: chains of overlapping peaks were never longer than 5
OVERLAP = 0.3  # two boxes that overlap more show the same place
FLOOR = 0.005  # a peak below is not a detection


def overlaps(boxes: Tensor, share: float) -> Tensor:
    """1.0 where two boxes' intersection over union exceeds `share`: (n, k, 4) -> (n, k, k)."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    wide = torch.minimum(x1[:, :, None], x1[:, None]) - torch.maximum(x0[:, :, None], x0[:, None])
    high = torch.minimum(y1[:, :, None], y1[:, None]) - torch.maximum(y0[:, :, None], y0[:, None])
    inter = wide.clamp(min=0.0) * high.clamp(min=0.0)
    area = (x1 - x0) * (y1 - y0)
    union = area[:, :, None] + area[:, None] - inter
    return (inter > share * union).to(boxes.dtype)


def suppress(boxes: Tensor, share: float = OVERLAP, rounds: int = ROUNDS) -> Tensor:
    """Which of boxes (n, k, 4), the best first, greedy suppression keeps: (n, k) of 0.0 or 1.0."""
    k = boxes.shape[1]
    higher = torch.triu(torch.ones(k, k, dtype=boxes.dtype, device=boxes.device), diagonal=1)
    beats = overlaps(boxes, share) * higher
    keep = torch.ones_like(boxes[:, :, 0])
    for _ in range(rounds):
        keep = ((keep[:, None] @ beats)[:, 0] < 0.5).to(boxes.dtype)
    return keep


def decode(
    heat: Tensor, distances: Tensor, stride: int, size: tuple[int, int], keep: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best `keep` places of each image, the best first.

    heat (n, kinds, h, w) are logits, distances (n, 4, h, w) reach from a cell's middle to the
    box's left, top, right and bottom, in pixels. Returns boxes (n, keep, 4) as x0, y0, x1, y1
    inside `size` (height, width), scores (n, keep) in 0..1, kinds (n, keep) int32, count (n, 1)
    int32; rows from `count` on are zero.
    """
    heat, distances = heat.float(), distances.float()
    w = heat.shape[3]
    best = heat.amax(dim=1, keepdim=True)
    peak = (best >= F.max_pool2d(best, 3, 1, 1)).to(heat.dtype)
    score, place = torch.topk((torch.sigmoid(best) * peak).flatten(1), CANDIDATES, dim=1)
    x = (place % w).to(heat.dtype) * stride + stride / 2
    y = torch.div(place, w, rounding_mode="floor").to(heat.dtype) * stride + stride / 2

    def at(maps: Tensor) -> Tensor:
        spread = place[:, None].expand(-1, maps.shape[1], -1)
        return torch.gather(maps.flatten(2), 2, spread).transpose(1, 2)

    left, top, right, bottom = at(distances).unbind(-1)
    height, width = float(size[0]), float(size[1])
    boxes = torch.stack(
        [
            (x - left).clamp(0.0, width),
            (y - top).clamp(0.0, height),
            (x + right).clamp(0.0, width),
            (y + bottom).clamp(0.0, height),
        ],
        dim=-1,
    )
    valid = suppress(boxes) * (score > FLOOR).to(score.dtype)
    return best_of(boxes, score * valid, at(heat).argmax(dim=2), keep)


def best_of(
    boxes: Tensor, score: Tensor, kind: Tensor, keep: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The `keep` best of boxes (n, m, 4), scores (n, m) and kinds (n, m) int64, as `decode` gives.

    A score of 0 is no box.
    """
    score, rank = torch.topk(score, keep, dim=1)
    real = (score > 0.0).to(score.dtype)
    boxes = torch.gather(boxes, 1, rank[:, :, None].expand(-1, -1, 4)) * real[:, :, None]
    kind = torch.gather(kind, 1, rank) * real.to(torch.int64)
    count = real.sum(dim=1, keepdim=True)
    return boxes, score, kind.to(torch.int32), count.to(torch.int32)
