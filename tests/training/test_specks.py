"""The network of single calcifications: its targets, and that it learns them."""

import cv2
import numpy as np
import pytest
import torch

from mammo.codes import Kind
from training import crops, train_specks
from training.datasets.record import Lesion, Split
from training.datasets.store import View
from training.networks import specks

pytestmark = pytest.mark.train


def test_calcified_pixels_move_with_the_cut() -> None:
    places = ((310, 500), (330, 520), (325, 490))
    lesion = Lesion((300.0, 480.0, 340.0, 540.0), Kind.CALCIFICATION, True, 8.0, places)
    view = View("s", "n", "p", "L", "CC", Split.TRAIN, True, (lesion,), (), tuple(Kind))
    grey = np.full((1024, 640), 60, np.uint8)
    for x, y in places:
        cv2.rectangle(grey, (x - 1, y - 1), (x + 1, y + 1), 250, -1)
    rng, seen = np.random.default_rng(0), 0
    for _ in range(30):
        cut = crops.cut(grey, view, rng, grain=0.0, side=192)
        assert cut.picture.shape == (192, 192)
        for x, y in cut.specks:
            seen += 1
            assert cut.picture[y, x] > 150
    assert seen > 30


def test_a_target_is_one_where_a_calcified_pixel_lies() -> None:
    places = [torch.tensor([[5, 2], [4, 3]]), torch.zeros(0, 2, dtype=torch.int64)]
    wanted = specks.targets(places, (4, 6))
    assert wanted.nonzero().tolist() == [[0, 1, 2]]


def test_it_learns_to_tell_specks_from_lines() -> None:
    """A few steps on bright dots and bright lines: dots get the higher logit."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    grey = rng.normal(110, 4, (4, 1, 64, 64)).astype(np.float32)
    dots = [torch.from_numpy(rng.integers(6, 58, (6, 2))) for _ in grey]
    for picture, places in zip(grey, dots, strict=True):
        picture[0, 30, :] += 40
        for x, y in places.tolist():
            picture[0, y, x] += 60
    pictures = torch.from_numpy(np.clip(grey, 0, 255).astype(np.uint8))
    wanted = specks.targets(dots, (32, 32))
    model = train_specks.Alone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        specks.loss(model(pictures), wanted).backward()
        optimizer.step()
    with torch.inference_mode():
        features = model(pictures)
    assert features.shape == (4, specks.WIDTH + 1, 32, 32)
    on_dots = features[:, -1][wanted > 0].median()
    on_lines = features[:, -1, 15][wanted[:, 15] == 0].median()
    assert on_dots > on_lines + 2
