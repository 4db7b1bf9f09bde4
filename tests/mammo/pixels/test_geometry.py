"""Native to prepared and back within half a pixel, checked on pictures that numpy turns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammo.geometry import Geometry

geometries = st.builds(
    Geometry,
    left=st.integers(0, 900).map(float),
    top=st.integers(0, 900).map(float),
    width=st.integers(50, 3000).map(float),
    scale=st.floats(0.05, 3),
    mirrored=st.booleans(),
    quarter_turns=st.integers(0, 3),
    native_shape=st.tuples(st.integers(50, 6000), st.integers(50, 6000)),
)


@given(
    geometry=geometries,
    x=st.floats(0, 5000),
    y=st.floats(0, 5000),
    width=st.floats(0.5, 500),
    height=st.floats(0.5, 500),
)
def test_a_finding_lands_where_it_came_from(
    geometry: Geometry, x: float, y: float, width: float, height: float
) -> None:
    native = np.array([[x, y, x + width, y + height]])
    prepared = geometry.to_prepared(native)
    assert prepared[0, 0] < prepared[0, 2]
    assert prepared[0, 1] < prepared[0, 3]
    assert np.abs(geometry.to_native(prepared) - native).max() < 1e-6
    assert np.abs(geometry.to_prepared(geometry.to_native(native)) - native).max() < 1e-6


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
@given(data=st.data())
def test_boxes_move_as_numpy_moves_the_pixels(turns: int, mirrored: bool, data) -> None:
    rows, columns = 37, 53
    x0, y0 = data.draw(st.integers(0, columns - 2)), data.draw(st.integers(0, rows - 2))
    x1, y1 = data.draw(st.integers(x0 + 1, columns)), data.draw(st.integers(y0 + 1, rows))
    picture = np.zeros((rows, columns), np.uint8)
    picture[y0:y1, x0:x1] = 1
    turned = np.rot90(picture, turns)
    left, top = 3, 2
    cut = turned[top:, left:]
    width = cut.shape[1]
    seen = np.repeat(np.repeat(np.fliplr(cut) if mirrored else cut, 2, axis=0), 2, axis=1)
    geometry = Geometry(left, top, width, 2.0, mirrored, turns, (rows, columns))
    box = geometry.to_prepared(np.array([[x0, y0, x1, y1]]))[0]
    inside = np.zeros_like(seen)
    bx0, by0, bx1, by1 = np.clip(box, 0, None).astype(int)
    inside[by0:by1, bx0:bx1] = 1
    assert np.array_equal(inside, seen)


def test_many_boxes_keep_their_order() -> None:
    geometry = Geometry(10, 20, 100, 0.5, mirrored=True, quarter_turns=0, native_shape=(200, 150))
    boxes = np.array([[10, 20, 30, 40], [90, 20, 110, 60]])
    expected = [[40.0, 0.0, 50.0, 10.0], [0.0, 0.0, 10.0, 20.0]]
    assert geometry.to_prepared(boxes).tolist() == expected
    assert geometry.to_native(np.zeros((0, 4))).shape == (0, 4)
