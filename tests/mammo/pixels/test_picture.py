"""Pictures show boxes where they lie, in both images."""

import numpy as np
import pytest

from mammo.picture import BOX, CROP, Mark, side_by_side
from mammo.prepare import Preparation, Prepared, prepare_gray

PARAMS = Preparation(height=400, width=300)


def breast(side: str) -> np.ndarray:
    y, x = np.mgrid[:800, :600]
    inside = (x / 300) ** 2 + ((y - 400) / 250) ** 2 < 1
    gray = np.where(inside, 90, 0).astype(np.uint8)
    return gray if side == "left" else np.ascontiguousarray(gray[:, ::-1])


def extent(picture: np.ndarray, colour: tuple[int, int, int]) -> list[float]:
    """x0, y0, x1, y1 of what is near a colour."""
    near = np.abs(picture.astype(int) - colour).max(axis=2) < 40
    ys, xs = np.nonzero(near)
    return [float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_box_is_drawn_in_both_images_and_the_crop_in_the_native_one(side: str) -> None:
    native = breast(side)
    prepared: Prepared = prepare_gray(native, PARAMS)
    mark = Mark(420, 350, 480, 410) if side == "right" else Mark(120, 350, 180, 410)
    picture = side_by_side(prepared, native, [mark])
    assert picture.shape == (400, 300 + 12 + 300, 3)
    in_tensor = extent(picture[:, :300], BOX)
    expected = prepared.geometry.to_prepared(np.array([mark[:4]], float))[0]
    assert np.abs(np.array(in_tensor) - expected).max() <= 2.5
    in_native = extent(picture[:, 312:], BOX)
    assert np.abs(np.array(in_native) - np.array(mark[:4]) / 2).max() <= 2.5
    crop = extent(picture[:, 312:], CROP)
    box = np.array(prepared.breast_box) / 2
    assert np.abs(np.array(crop) - box).max() <= 8  # the margin, and the line's own width


def test_a_caption_adds_a_bar_and_covers_nothing() -> None:
    native = breast("left")
    prepared = prepare_gray(native, PARAMS)
    bare = side_by_side(prepared, native)
    captioned = side_by_side(prepared, native, caption=["L CC", "scale 0.7"])
    assert np.array_equal(captioned[:400], bare)
    assert captioned.shape[0] > 440
    assert (captioned[400:].max(axis=(0, 2)) > 200).any()


def test_a_label_at_the_edge_stays_inside() -> None:
    native = breast("left")
    prepared = prepare_gray(native, PARAMS)
    picture = side_by_side(prepared, native, [Mark(0, 0, 600, 800, "mass 0.91")])
    assert extent(picture[:, 312:], BOX)[0] >= 0
