"""Overlap of boxes against pycocotools, of masks against counts of pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from training.evaluation.counts import confusion
from training.evaluation.overlap import box_iou, mask_dice, mask_iou

BOX = st.tuples(*(st.integers(0, 40),) * 2, *(st.integers(1, 30),) * 2)  # x, y, width, height
MASKS = arrays.arrays(bool, (5, 7))


@settings(deadline=None, max_examples=40)
@given(st.lists(BOX, min_size=1, max_size=5), st.lists(BOX, min_size=1, max_size=5))
def test_box_overlap_is_that_of_pycocotools(
    ours: list[tuple[int, ...]], theirs: list[tuple[int, ...]]
) -> None:
    a, b = np.array(ours, float), np.array(theirs, float)
    corners = [np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) for boxes in (a, b)]
    expected = coco.iou(a, b, np.zeros(len(b), np.uint8))
    assert box_iou(*corners) == pytest.approx(expected)


def test_a_box_has_no_extra_pixel() -> None:
    assert box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]]))[0, 0] == 1 / 3


def test_boxes_without_area_overlap_nothing() -> None:
    point = np.array([[1.0, 1, 1, 1]])
    assert box_iou(point, point)[0, 0] == 0


def test_no_boxes_give_an_empty_table() -> None:
    assert box_iou(np.empty((0, 4)), np.ones((3, 4))).shape == (0, 3)


@settings(deadline=None, max_examples=40)
@given(MASKS, MASKS)
def test_mask_overlap_is_that_of_the_pixels_counted(a: np.ndarray, b: np.ndarray) -> None:
    counts = confusion(a, b)
    if (a | b).any():
        assert mask_iou(a, b) == pytest.approx(counts.iou)
        assert mask_dice(a, b) == pytest.approx(counts.f1)
    iou, dice = mask_iou(a, b), mask_dice(a, b)
    assert iou == pytest.approx(dice / (2 - dice))


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((2, 2), bool)
    assert mask_iou(empty, empty) == mask_dice(empty, empty) == 1.0
