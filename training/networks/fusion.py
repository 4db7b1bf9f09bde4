"""Several networks' words as one, inside the graph, in fixed shapes.

Boxes are fused as in Solovyev et al., "Weighted boxes fusion", Image and Vision Computing 2021:
boxes that overlap the best one of their group are averaged by their scores. What differs: each
detector's scores are made probabilities first, a group's score counts each detector once, by the
best box that it gave, and groups are formed by exact suppression, which needs no loop over boxes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.networks.decode import best_of, overlaps, suppress

SAME = 0.3  # two boxes that overlap more (intersection over union) show the same place
EPSILON = 1e-4  # keeps logits finite


class Platt(NamedTuple):
    """A network's probability: sigmoid(intercept + weight logit(score)) (Platt 1999)."""

    intercept: float
    weight: float


class Fusion(nn.Module):
    """Boxes, scores and kinds of each detector in turn -> boxes, detection, kind, count.

    boxes (n, k, 4), scores (n, k) in 0..1 (0: no box), kinds (n, k) int32. Detectors count alike.
    """

    def __init__(self, members: Sequence[Platt], keep: int) -> None:
        super().__init__()
        self.keep = keep
        self.register_buffer("platt", torch.tensor(members, dtype=torch.float32))

    def forward(self, *said: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        boxes = torch.cat(said[0::3], dim=1)
        kinds = torch.cat(said[2::3], dim=1).to(torch.int64)
        scores = [
            calibrated(score, self.platt[member]) * (score > 0.0).to(score.dtype)
            for member, score in enumerate(said[1::3])
        ]
        silent = [torch.zeros_like(score) for score in scores]
        # By whom: one row for each detector, its own scores and zeros for the others'.
        whose = torch.stack(
            [
                torch.cat([*silent[:member], score, *silent[member + 1 :]], dim=1)
                for member, score in enumerate(scores)
            ],
            dim=1,
        )
        score, rank = torch.topk(torch.cat(scores, dim=1), boxes.shape[1], dim=1)
        boxes = torch.gather(boxes, 1, rank[:, :, None].expand(-1, -1, 4))
        kinds = torch.gather(kinds, 1, rank)
        whose = torch.gather(whose, 2, rank[:, None].expand(-1, whose.shape[1], -1))
        group = groups(boxes)
        weight = group * score[:, None]
        fused = (weight @ boxes) / weight.sum(dim=2, keepdim=True).clamp(min=EPSILON)
        together = (group[:, :, None] * whose[:, None]).amax(dim=3).mean(dim=2)
        return best_of(fused, together, kinds, self.keep)


class Average(nn.Module):
    """What several networks say of the same, each of theirs in turn, in 0..1 -> the means.

    `members` has for each network a scaling for each of its outputs.
    """

    def __init__(self, members: Sequence[Sequence[Platt]]) -> None:
        super().__init__()
        self.register_buffer("platt", torch.tensor(members, dtype=torch.float32))

    def forward(self, *said: Tensor) -> tuple[Tensor, ...]:
        outputs = self.platt.shape[1]
        return tuple(
            torch.stack(
                [
                    calibrated(p, self.platt[member, what])
                    for member, p in enumerate(said[what::outputs])
                ]
            ).mean(dim=0)
            for what in range(outputs)
        )


def calibrated(score: Tensor, platt: Tensor) -> Tensor:
    """Probabilities of scores in 0..1; `platt` is intercept and weight."""
    p = score.clamp(EPSILON, 1 - EPSILON)
    return torch.sigmoid(platt[0] + platt[1] * (p / (1 - p)).log())


def groups(boxes: Tensor, share: float = SAME) -> Tensor:
    """1.0 where box j belongs to the group that box i leads: (n, m, 4) -> (n, m, m).

    Boxes come the best first. A leader is one that suppression keeps; a box belongs to the best
    leader that it overlaps by more than `share`. A box without area belongs to none.
    """
    m = boxes.shape[1]
    claims = overlaps(boxes, share) * suppress(boxes, share)[:, :, None]
    before = torch.tril(torch.ones(m, m, dtype=boxes.dtype, device=boxes.device), diagonal=-1)
    return claims * ((before @ claims) < 0.5).to(boxes.dtype)
