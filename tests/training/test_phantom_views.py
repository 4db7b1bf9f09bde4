"""Phantoms as training sees them."""

from itertools import chain, pairwise

import cv2
import numpy as np
import pytest

from mammo.codes import Kind
from mammo.prepare import Preparation
from training.datasets import phantoms
from training.datasets.phantoms import Portion, Studies
from training.datasets.record import Split

PREPARATION = Preparation()
PORTION = Portion(backgrounds=2, exposures=2, most_lesions=3)


def test_the_same_background_is_the_same_views() -> None:
    once, again = (phantoms.training_views(PORTION, PREPARATION, 1) for _ in range(2))
    assert len(once) == PORTION.exposures == 2
    for (a, view), (b, other) in zip(once, again, strict=True):
        assert np.array_equal(a, b)
        assert view == other


def test_exposures_of_a_background_hold_other_lesions() -> None:
    first, second = phantoms.training_views(PORTION, PREPARATION, 0)
    assert first[1].patient == second[1].patient
    assert first[1].lesions != second[1].lesions


def test_a_lesion_adds_grey_where_its_box_is() -> None:
    portion = Portion(backgrounds=6, exposures=1, most_lesions=3)
    drawn = [phantoms.training_views(portion, PREPARATION, n) for n in range(portion.backgrounds)]
    inside = []
    for picture, view in chain(*drawn):
        for lesion in view.lesions:
            x0, y0, x1, y1 = (round(v) for v in lesion.box)
            w, h = x1 - x0, y1 - y0
            around = picture[max(0, y0 - h) : y1 + h, max(0, x0 - w) : x1 + w].astype(float)
            cut = picture[y0:y1, x0:x1].astype(float)
            inside.append(cut.mean() - around[around > 20].mean())
    assert len(inside) >= 4
    assert np.mean(np.array(inside) > 0) > 0.7


def test_parts_hold_every_study_once() -> None:
    whole = Studies(seed=5, count=2, split=Split.TEST)
    parts = [Studies(seed=5, count=2, split=Split.TEST, part=(i, 2)) for i in range(2)]

    def names(studies: Studies) -> list[str]:
        return [view.name for _, view, _ in phantoms.study_views(studies, PREPARATION)]

    assert sorted(names(whole)) == sorted(names(parts[0]) + names(parts[1]))
    assert len(names(whole)) == 8


def test_blocks_of_seeds_do_not_meet() -> None:
    starts = sorted(
        (
            phantoms.TRAIN_SEED,
            phantoms.VALIDATION_SEED,
            phantoms.TEST_SEED,
            phantoms.REFERENCE_SEED,
        )
    )
    assert min(b - a for a, b in pairwise(starts)) >= 10_000_000
    assert starts[0] >= 10_000_000  # what people type is smaller


@pytest.mark.parametrize("seed", [phantoms.TEST_SEED])
def test_each_lesion_of_a_study_has_a_template_of_its_size(seed: int) -> None:
    studies = Studies(seed=seed, count=2, split=Split.TEST)
    for _, view, templates in phantoms.study_views(studies, PREPARATION):
        assert len(templates) == len(view.lesions)
        for lesion, template in zip(view.lesions, templates, strict=True):
            x0, y0, x1, y1 = lesion.box
            assert (template.width, template.height) == pytest.approx((x1 - x0, y1 - y0))
            assert max(template.picture.shape) >= max(template.width, template.height) - 2


def test_calcified_pixels_are_where_the_picture_is_brighter() -> None:
    portion = Portion(backgrounds=8, exposures=1, most_lesions=4)
    drawn = [phantoms.training_views(portion, PREPARATION, n) for n in range(portion.backgrounds)]
    brighter = []
    for picture, view in chain(*drawn):
        for lesion in view.lesions:
            if lesion.kind is Kind.MASS:
                assert lesion.specks == ()
                continue
            x, y = np.array(lesion.specks).T
            x0, y0, x1, y1 = lesion.box
            assert x0 - 1 <= x.min() <= x.max() < x1 + 1
            assert y0 - 1 <= y.min() <= y.max() < y1 + 1
            around = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 4)
            brighter.append((picture[y, x] - around[y, x]).mean())
    assert len(brighter) >= 4
    assert np.mean(np.array(brighter) > 0) > 0.9
