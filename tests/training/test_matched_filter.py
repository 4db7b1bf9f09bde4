"""The matched filter reaches what theory says where theory holds: in stationary noise."""

import cv2
import numpy as np
import pytest

from training.datasets.phantoms import Template
from training.evaluation import matched_filter

SHAPE = (512, 320)


def noise(seed: int) -> np.ndarray:
    """Correlated Gaussian noise around grey 120, standard deviation 12."""
    field = np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 2)
    return 120 + 12 * field / field.std()


def blob() -> Template:
    at = np.arange(48) - 23.5
    picture = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 5.0**2)).astype(np.float32)
    return Template(picture, 20.0, 20.0)


def known() -> list[tuple[Template, np.ndarray]]:
    return [(blob(), matched_filter.transform(blob()))]


def test_a_planted_signal_is_found_first_and_where_it_is() -> None:
    grey = noise(1)
    grey[200:248, 100:148] += 60 * blob().picture
    boxes, scores = matched_filter.marks(np.clip(grey, 0, 255).astype(np.uint8), known())
    middle = (boxes[0, :2] + boxes[0, 2:]) / 2
    assert np.abs(middle - [124, 224]).max() <= 2
    assert scores[0] > 1.3 * scores[1]


def test_scores_are_in_standard_deviations() -> None:
    # The highest of some thousand independent places lies between 3 and 5 of them.
    for seed in range(3):
        _, scores = matched_filter.marks(noise(seed).clip(0, 255).astype(np.uint8), known())
        assert 3 < scores[0] < 5


def test_twice_the_signal_scores_twice() -> None:
    found = []
    for strength in (40, 80):
        grey = noise(2)
        grey[200:248, 100:148] += strength * blob().picture
        _, scores = matched_filter.marks(grey.clip(0, 255).astype(np.uint8), known())
        found.append(scores[0])
    assert found[1] / found[0] == pytest.approx(2, rel=0.2)


def test_marks_keep_apart_and_in_order() -> None:
    boxes, scores = matched_filter.marks(noise(3).clip(0, 255).astype(np.uint8), known())
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = np.abs(middles[:, None] - middles[None]).max(axis=2)
    np.fill_diagonal(away, np.inf)
    assert away.min() >= matched_filter.APART
    assert list(scores) == sorted(scores, reverse=True)


def test_air_holds_no_marks() -> None:
    grey = noise(4)
    grey[:, 160:] = 0
    boxes, _ = matched_filter.marks(grey.clip(0, 255).astype(np.uint8), known())
    assert ((boxes[:, 0] + boxes[:, 2]) / 2 < 160).all()


def test_the_bank_holds_every_shape() -> None:
    bank = matched_filter.bank(0)
    assert len(bank) == 24
    assert all(template.picture.max() > 0.5 for template in bank)
