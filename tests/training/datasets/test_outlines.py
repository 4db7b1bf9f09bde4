"""Outlines: what data sets draw, in pixels of the image."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.outlines import (
    DISC,
    STEPS,
    Circle,
    Mask,
    Outline,
    Polygon,
    Rectangle,
    area,
    bounds,
    chain,
    clipped,
    contour,
    ellipse,
    polygon_or_disc,
)

NUMBER = st.floats(-500, 1500, allow_nan=False)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=12)
OUTLINES = st.one_of(
    POINTS.map(lambda points: Polygon(tuple(points))),
    st.builds(Circle, NUMBER, NUMBER, st.floats(0.5, 400)),
    st.tuples(NUMBER, NUMBER, st.floats(0, 300), st.floats(0, 300)).map(
        lambda b: Rectangle((b[0], b[1], b[0] + b[2], b[1] + b[3]))
    ),
)


def test_a_square_walked_by_chain_code_comes_back_to_its_start() -> None:
    # Right, down, left, up, three pixels each, from column 10, row 20.
    walked = chain(10, 20, [2, 2, 2, 4, 4, 4, 6, 6, 6, 0, 0, 0])
    assert walked.points[0] == walked.points[-1] == (10.5, 20.5)
    assert bounds(walked) == (10.5, 20.5, 13.5, 23.5)
    assert area(walked) == 9.0


@pytest.mark.parametrize("code", range(8))
def test_chain_codes_turn_clockwise_from_up(code: int) -> None:
    turn = math.radians(45 * code)  # clockwise as seen: x by the sine, y up by the cosine
    wanted = (round(math.sin(turn)), round(-math.cos(turn)))
    assert STEPS[code] == wanted


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(0, 4000), st.integers(0, 4000))
def test_a_chain_walks_from_pixel_to_neighbour(codes: list[int], column: int, row: int) -> None:
    points = np.array(chain(column, row, codes).points)
    assert len(points) == len(codes) + 1
    assert (np.abs(np.diff(points, axis=0)).max(axis=1, initial=0) <= 1).all()


@given(POINTS)
def test_area_is_what_opencv_measures(points: list[tuple[float, float]]) -> None:
    wanted = cv2.contourArea(np.array(points, np.float32))
    assert area(Polygon(tuple(points))) == pytest.approx(wanted, rel=1e-3, abs=2.0)


@given(OUTLINES)
def test_corners_lie_inside_the_bounds_and_touch_them(drawn: Polygon | Circle | Rectangle) -> None:
    x0, y0, x1, y1 = bounds(drawn) or (0, 0, 0, 0)
    x, y = contour(drawn).T
    assert np.allclose([x.min(), y.min(), x.max(), y.max()], [x0, y0, x1, y1], atol=1e-6)


@given(OUTLINES)
def test_what_is_clipped_lies_inside_and_stays_so(drawn: Outline) -> None:
    rows, columns = 700, 400
    cut, changed = clipped(drawn, (rows, columns))
    if not isinstance(drawn, Circle):  # kept round: its box is cut where it is used
        x0, y0, x1, y1 = bounds(cut) or (0, 0, 0, 0)
        assert 0 <= x0 <= x1 <= columns
        assert 0 <= y0 <= y1 <= rows
        assert clipped(cut, (rows, columns)) == (cut, False)
        assert changed == (cut != drawn)


def test_a_circle_over_the_edge_is_named() -> None:
    assert clipped(Circle(5.0, 50.0, 10.0), (100, 100))[1]
    assert not clipped(Circle(50.0, 50.0, 10.0), (100, 100))[1]


def test_an_ellipse_has_its_area_and_its_turn() -> None:
    drawn = ellipse(100.0, 200.0, 40.0, 10.0, math.pi / 2)
    assert area(drawn) == pytest.approx(math.pi * 400, rel=0.005)
    assert bounds(drawn) == pytest.approx((90.0, 160.0, 110.0, 240.0))


@pytest.mark.parametrize("points", [[(10.0, 20.0)], [(8.0, 20.0), (12.0, 20.0)]])
def test_one_or_two_points_are_a_disc(points: list[tuple[float, float]]) -> None:
    assert polygon_or_disc(points) == (Circle(10.0, 20.0, DISC), True)


@pytest.mark.parametrize("points", [[], [(math.nan, 1.0)] * 3, [(0.0, math.inf)]])
def test_no_point_is_no_outline(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="points that are numbers"):
        polygon_or_disc(points)


def test_a_mask_has_no_bounds_before_it_is_opened(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert bounds(Mask(tmp_path / "mask.png")) is None
