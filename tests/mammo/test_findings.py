"""From boxes in the tensor to findings in the image, and from probabilities to a score."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammo.findings import RawView, locate, of_view
from mammo.geometry import Geometry
from mammo.scoring import Calibration, Scale, Whole, highest

# The detector's word alone: the rest is as sure as it can be.
IDENTITY = Calibration(0.0, 1.0, 0.0, 100.0, 0.0)
SCALE = Scale(tuple(n / 10 for n in range(1, 10)), urgent=10, soon=8, routine=4)
GEOMETRY = Geometry(
    left=100, top=50, width=400, scale=0.5, mirrored=True, quarter_turns=0, native_shape=(900, 700)
)
BREAST = (0.0, 0.0, 200.0, 300.0)


def raw(*rows: tuple[float, float, float, float, float]) -> RawView:
    table = np.zeros((4, 5), np.float32)
    table[: len(rows)] = np.reshape(rows, (-1, 5))
    said = table[:, 4]
    kinds = np.array([1, 0, 0, 0], np.int32)
    return RawView(len(rows), table[:, :4], said, kinds, lesion=said, malignancy=said)


def found(view: RawView, threshold: float = 0.1):
    return of_view(view, GEOMETRY, BREAST, "MLO", IDENTITY, SCALE, threshold)


def test_a_box_comes_back_in_native_pixels_of_the_unmirrored_image() -> None:
    (finding,) = found(raw((10, 20, 30, 60, 0.75))).findings
    # By hand: /0.5 is (20, 40, 60, 120); mirrored in 400 is (340, 40, 380, 120); + corner.
    assert finding.box == (440, 90, 480, 170)
    assert (finding.kind, finding.score) == ("calcification", 8)
    assert finding.probability == pytest.approx(0.75, abs=1e-6)


def test_a_box_beyond_the_image_is_cut_at_its_edge() -> None:
    (finding,) = found(raw((-400, -200, 30, 60, 0.7))).findings
    assert finding.box == (440, 0, 700, 170)


def test_a_doubtful_box_is_not_reported_but_counts_for_the_view() -> None:
    view = found(raw((10, 20, 30, 60, 0.05)))
    assert view.findings == ()
    assert view.probability == pytest.approx(0.05, abs=1e-6)


def test_a_view_without_boxes_has_probability_zero() -> None:
    assert found(raw()).probability == 0.0
    assert highest([]) == 0.0


def test_rows_beyond_the_count_are_never_read() -> None:
    whole = raw((10, 20, 30, 60, 0.7), (50, 60, 90, 90, 0.99))
    one = replace(whole, count=1)
    assert len(found(one).findings) == 1
    assert found(one).probability < 0.8


@pytest.mark.parametrize(
    ("box", "view", "words"),
    [
        ((0, 0, 20, 20), "MLO", "posterior third, upper half"),
        ((90, 250, 110, 290), "MLO", "middle third, lower half"),
        ((180, 10, 200, 30), "CC", "anterior third, lateral half"),
        ((0, 200, 20, 220), "CC", "posterior third, medial half"),
    ],
)
def test_the_place_is_said_in_words(box, view: str, words: str) -> None:
    assert locate(np.array(box, float), BREAST, view) == words


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_probability_never_has_a_lower_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 1 <= SCALE.score(low) <= SCALE.score(high) <= 10


def test_the_calibration_is_the_formula() -> None:
    odds_of_e = np.array([np.e / (1 + np.e)])  # its logit is 1
    p = Calibration(-1.0, 2.0, 0.5, 0.25, 3.0).probability(np.array([0.5]), odds_of_e, odds_of_e)
    assert p[0] == pytest.approx(1 / (1 + np.exp(0.5)) / (1 + np.exp(-3.25)))


def test_scores_of_exactly_zero_and_one_stay_finite() -> None:
    never, ever = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    p = Calibration(0, 1, 1, 0, 1).probability(never, ever, ever)
    assert np.isfinite(p).all()


JOINED = replace(IDENTITY, view=Whole(-1.0, 1.0, 0.5))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_worse_finding_or_a_more_suspicious_view_never_lowers_a_views_probability(
    worst: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    assert JOINED.of_view(worst, low) <= JOINED.of_view(worst, high)
    assert JOINED.of_view(low, worst) <= JOINED.of_view(high, worst)


def test_the_look_at_the_whole_is_joined_by_the_formula() -> None:
    odds_of_e = np.e / (1 + np.e)  # its logit is 1
    assert JOINED.of_view(odds_of_e, odds_of_e) == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_a_release_that_does_not_look_at_the_whole_goes_by_the_worst_finding() -> None:
    assert IDENTITY.of_view(0.3, None) == 0.3
    view = of_view(
        replace(raw((10, 20, 30, 60, 0.7)), suspicion=0.99),
        GEOMETRY, BREAST, "MLO", IDENTITY, SCALE, 0.1,
    )  # fmt: skip
    assert view.probability == pytest.approx(0.7, abs=1e-6)


def test_a_suspicious_view_without_a_box_has_a_probability_of_its_own() -> None:
    view = of_view(replace(raw(), suspicion=0.9), GEOMETRY, BREAST, "MLO", JOINED, SCALE, 0.1)
    assert view.findings == ()
    assert 0 < view.probability < 0.9
