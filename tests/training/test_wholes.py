"""Whole views as training sees them: half of them malignant, and always whole."""

from dataclasses import replace

import numpy as np
import pytest

from training import wholes
from training.datasets.record import Split
from training.datasets.store import Store, View
from training.team import Place

pytestmark = pytest.mark.train

HEIGHT, WIDTH = 256, 160


def store(count: int, malignant: int) -> Store:
    view = View("s", "n", "p", "L", "CC", Split.TRAIN, False, (), (), ())
    views = [replace(view, malignant=i < malignant) for i in range(count)]
    pictures = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    pictures[:, 60:200, :120] = 128  # a breast at the chest wall
    pictures[:malignant, 110:150, 30:60] = 250
    return Store(views, pictures)


@pytest.fixture
def sources() -> list[tuple[wholes.Source, float]]:
    stores = {"phantoms-train": store(20, 3), "films": store(10, 9), "one kind": store(4, 4)}
    return wholes.sources(stores, dict.fromkeys((*stores, "missing"), 1.0))


def test_a_store_of_one_kind_teaches_nothing_and_is_left_out(
    sources: list[tuple[wholes.Source, float]],
) -> None:
    assert len(sources) == 2


def test_half_of_the_views_are_malignant_however_rare_these_are(
    sources: list[tuple[wholes.Source, float]],
) -> None:
    drawn = [wholes.batch(sources, 8, 1, step) for step in range(40)]
    labels = np.concatenate([labels for _, labels in drawn])
    assert 0.4 < labels.mean() < 0.6
    for pictures, malignant in drawn:
        assert ((pictures > 180).any(axis=(1, 2)) == (malignant == 1)).all()


def test_the_chest_wall_stays_at_the_left_edge_and_the_breast_inside(
    sources: list[tuple[wholes.Source, float]],
) -> None:
    for step in range(20):
        pictures, _ = wholes.batch(sources, 4, 2, step)
        assert (pictures[:, :, 0] > 60).any(axis=1).all()
        area = (pictures > 60).mean(axis=(1, 2))
        assert ((area > 0.25) & (area < 0.55)).all()  # 0.41 as drawn


def test_processes_share_a_batch_and_a_step_can_be_drawn_again(
    sources: list[tuple[wholes.Source, float]],
) -> None:
    whole, labels = wholes.batch(sources, 6, 3, 5)
    parts = [wholes.batch(sources, 6, 3, 5, Place(rank, 2)) for rank in (0, 1)]
    for rank, (pictures, own) in enumerate(parts):
        assert np.array_equal(pictures, whole[rank::2])
        assert np.array_equal(own, labels[rank::2])
