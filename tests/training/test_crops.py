"""Cuts for training: boxes stay on their tissue, and chance comes from the step alone."""

import cv2
import numpy as np
import pytest

from mammo.codes import Kind
from training import crops
from training.datasets.record import Lesion, Split
from training.datasets.store import Store, View
from training.team import Place

pytestmark = pytest.mark.train


def view(split: Split = Split.TRAIN, kinds: tuple[Kind, ...] = tuple(Kind)) -> View:
    lesion = Lesion((300.0, 480.0, 340.0, 540.0), Kind.MASS, malignant=True)
    ignored = ((100.0, 100.0, 200.0, 200.0),)
    return View("s", "n", "p", "L", "CC", split, True, (lesion,), ignored, kinds)


def picture() -> np.ndarray:
    """Grey tissue with the lesion white."""
    grey = np.full((1024, 640), 60, np.uint8)
    cv2.rectangle(grey, (300, 480), (339, 539), 250, -1)
    return grey


def test_a_box_stays_on_its_lesion_however_it_is_cut() -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(40):
        cut = crops.cut(picture(), view(), rng, grain=2.0)
        assert cut.picture.shape == (crops.SIDE, crops.SIDE)
        for x0, y0, x1, y1 in cut.boxes:
            rows, columns = np.nonzero(cut.picture > 150)
            if min(x0, y0) < 0 or max(x1, y1) > crops.SIDE or not len(rows):
                continue
            seen += 1
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(np.array(found) - [x0, y0, x1, y1]).max() < 2.5
    assert seen > 20


def test_a_lesion_cut_in_half_is_neither_a_lesion_nor_healthy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        cut = crops.cut(picture(), view(), rng, grain=0.0)
        assert len(cut.boxes) + len(cut.ignored) == 2
        middle = (cut.boxes[:, :2] + cut.boxes[:, 2:]) / 2
        assert ((middle >= 0) & (middle < crops.SIDE)).all()


def test_what_is_not_marked_is_said_to_be_unknown() -> None:
    cut = crops.cut(picture(), view(kinds=(Kind.MASS,)), np.random.default_rng(2), grain=0.0)
    assert cut.complete == (True, False)


def test_air_stays_air() -> None:
    dark = picture()
    dark[:, 400:] = 0
    cut = crops.cut(dark, view(), np.random.default_rng(3), grain=2.5)
    air = cut.picture[:, -20:] if cut.picture[:, -1].max() < 30 else cut.picture[:0]
    assert not air.size or (air == 0).mean() > 0.9


def source(share: float, count: int) -> crops.Source:
    held = Store([view()] * count, np.stack([picture()] * count))
    return crops.Source(held, range(count), share, grain=0.0)


def test_two_processes_share_what_one_would_see() -> None:
    sources = [source(0.5, 2), source(0.5, 3)]
    whole = crops.batch(sources, 6, seed=1, step=9)
    parts = [crops.batch(sources, 6, 1, 9, Place(rank, 2)) for rank in range(2)]
    for number, crop in enumerate(whole):
        assert np.array_equal(crop.picture, parts[number % 2][number // 2].picture)


def test_another_step_is_another_cut() -> None:
    a, b = (crops.batch([source(1.0, 1)], 1, seed=1, step=step)[0] for step in (1, 2))
    assert not np.array_equal(a.picture, b.picture)


def test_only_training_views_are_cut() -> None:
    views = [view(Split.TEST), view(Split.TRAIN), view(Split.VALIDATION)]
    stores = {"cdd-cesm": Store(views, np.stack([picture()] * 3))}
    (found,) = crops.sources(stores, {"phantoms-train": 0.6, "cdd-cesm": 0.4})
    assert found.indices == [1]
    assert found.grain > 0
