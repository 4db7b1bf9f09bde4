"""Several networks' words become one, as an honest loop over boxes would have it."""

import numpy as np
import pytest
import torch

from training.networks.fusion import SAME, Average, Fusion, Platt

pytestmark = pytest.mark.train

K = 16


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    inter = np.prod(np.clip(high - low, 0, None))
    area = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter
    return float(inter / area) if area else 0.0


def by_hand(boxes: list[np.ndarray], scores: list[np.ndarray]) -> list[tuple[float, np.ndarray]]:
    """Groups by a loop, the best first: score and box."""
    every = [
        (score, box, member)
        for member, of in enumerate(zip(scores, boxes, strict=True))
        for score, box in zip(*of, strict=True)
        if score > 0
    ]
    every.sort(key=lambda one: -one[0])
    found: list[list[tuple[float, np.ndarray, int]]] = []
    for one in every:
        near = [group for group in found if overlap(group[0][1], one[1]) > SAME]
        (near[0] if near else found.append([]) or found[-1]).append(one)
    fused = [
        (
            sum(max((s for s, _, by in g if by == m), default=0.0) for m in range(len(boxes)))
            / len(boxes),
            sum(s * b for s, b, _ in g) / sum(s for s, _, _ in g),
        )
        for g in found
    ]
    return sorted(fused, key=lambda one: -one[0])[:K]


def drawn(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` boxes in a small field, so that many overlap; rows from there on are zero."""
    boxes, scores = np.zeros((K, 4), np.float32), np.zeros(K, np.float32)
    corner = rng.uniform(0, 120, (count, 2))
    boxes[:count] = np.hstack([corner, corner + rng.uniform(8, 60, (count, 2))])
    scores[:count] = np.sort(rng.uniform(0.02, 0.98, count))[::-1]
    return boxes, scores


def fused(boxes: list[np.ndarray], scores: list[np.ndarray]) -> list[np.ndarray]:
    same = [Platt(0.0, 1.0)] * len(boxes)
    kinds = torch.zeros(1, K, dtype=torch.int32)
    said = [
        part
        for b, s in zip(boxes, scores, strict=True)
        for part in (torch.from_numpy(b)[None], torch.from_numpy(s)[None], kinds)
    ]
    return [tensor.numpy()[0] for tensor in Fusion(same, K)(*said)]


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_fused_boxes_are_those_of_a_loop(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = [drawn(rng, int(rng.integers(0, K + 1))) for _ in range(members)]
    boxes, scores = zip(*said, strict=True)
    got, score, _, count = fused(list(boxes), list(scores))
    wanted = by_hand(list(boxes), list(scores))
    assert count[0] == len(wanted)
    assert score[: len(wanted)] == pytest.approx([s for s, _ in wanted], abs=1e-5)
    for box, (_, right) in zip(got, wanted, strict=False):
        assert box == pytest.approx(right, abs=0.01)
    assert not got[len(wanted) :].any()
    assert not score[len(wanted) :].any()


def test_what_both_detectors_mark_outranks_what_one_is_as_sure_of() -> None:
    boxes = np.zeros((2, K, 4), np.float32)
    boxes[0, :2] = [[0, 0, 20, 20], [100, 100, 120, 120]]
    boxes[1, 0] = [101, 101, 121, 121]
    scores = np.zeros((2, K), np.float32)
    scores[0, :2] = scores[1, 0] = 0.6
    got, score, _, count = fused(list(boxes), list(scores))
    assert count[0] == 2
    assert got[0] == pytest.approx([100.5, 100.5, 120.5, 120.5])
    assert score[:2] == pytest.approx([0.6, 0.3])


def test_without_a_box_there_is_none() -> None:
    nothing = np.zeros((K, 4), np.float32), np.zeros(K, np.float32)
    got, score, kind, count = fused(*([part, part] for part in nothing))
    assert not any(tensor.any() for tensor in (got, score, kind, count))


def test_classifiers_are_averaged_after_calibration() -> None:
    halves = torch.full((1, K), 0.5)
    model = Average([(Platt(0.0, 1.0), Platt(0.0, 1.0)), (Platt(50.0, 1.0), Platt(-50.0, 1.0))])
    lesion, malignancy = model(halves, halves, halves, halves)
    assert lesion[0].tolist() == pytest.approx([0.75] * K)
    assert malignancy[0].tolist() == pytest.approx([0.25] * K)
