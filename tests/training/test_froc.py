"""Free-response ROC by the centre rule, against counts made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation import bootstrap, froc, resampled


def image(marks: list[tuple[list[float], float]], lesions: list[list[float]]) -> froc.Image:
    return froc.Image(
        "p",
        np.array([box for box, _ in marks], np.float64).reshape(-1, 4),
        np.array([score for _, score in marks], np.float64),
        np.array(lesions, np.float64).reshape(-1, 4),
    )


def test_a_mark_hits_the_lesion_that_holds_its_centre() -> None:
    found = froc.outcome(image([([8, 8, 12, 12], 0.9)], [[0, 0, 20, 20], [50, 50, 60, 60]]))
    assert found.found.tolist() == [0.9, -np.inf]
    assert found.false.tolist() == []


def test_a_mark_that_only_overlaps_a_lesion_is_a_false_one() -> None:
    found = froc.outcome(image([([15, 15, 35, 35], 0.9)], [[0, 0, 20, 20]]))
    assert found.found.tolist() == [-np.inf]
    assert found.false.tolist() == [0.9]


def test_a_second_mark_on_a_lesion_counts_neither_way() -> None:
    found = froc.outcome(image([([8, 8, 12, 12], 0.4), ([6, 6, 10, 10], 0.7)], [[0, 0, 20, 20]]))
    assert found.found.tolist() == [0.7]
    assert len(found.false) == 0


def test_a_mark_in_two_lesions_hits_the_nearer_one() -> None:
    found = froc.outcome(image([([9, 9, 11, 11], 0.5)], [[0, 0, 40, 40], [5, 5, 17, 17]]))
    assert found.found.tolist() == [-np.inf, 0.5]


def test_sensitivity_at_half_a_false_mark_an_image_by_hand() -> None:
    # Four images, so two false marks are allowed: 0.8 and 0.6 pass, 0.5 does not.
    outcomes = [
        froc.Outcome(np.array([0.9]), np.array([0.8])),
        froc.Outcome(np.array([0.55]), np.array([0.6])),
        froc.Outcome(np.array([0.45]), np.array([0.5])),
        froc.Outcome(np.array([-np.inf]), np.array([])),
    ]
    assert froc.sensitivity_at(outcomes, 0.5) == 0.5  # 0.9 and 0.55 are above 0.5
    assert froc.sensitivity_at(outcomes, 0.25) == 0.25  # one false mark: only 0.9
    assert froc.sensitivity_at(outcomes, 1.0) == 0.75  # all marks count


def test_false_marks_of_equal_score_pass_together_or_not_at_all() -> None:
    outcomes = [froc.Outcome(np.array([0.5]), np.array([0.5, 0.5]))]
    threshold = froc.threshold_at(outcomes, 1.0)
    assert (outcomes[0].false >= threshold).sum() == 0


@given(
    st.lists(st.lists(st.floats(0, 1, allow_nan=False), max_size=6), min_size=1, max_size=8),
    st.floats(0, 3),
)
def test_no_more_false_marks_pass_than_allowed(scores: list[list[float]], rate: float) -> None:
    outcomes = [froc.Outcome(np.array([]), np.array(s, np.float64)) for s in scores]
    threshold = froc.threshold_at(outcomes, rate)
    passed = sum(int((o.false >= threshold).sum()) for o in outcomes)
    assert passed <= rate * len(outcomes) + 1e-6


def test_without_lesions_there_is_no_sensitivity() -> None:
    assert np.isnan(froc.sensitivity([froc.Outcome(np.array([]), np.array([0.3]))], 0.5))


@pytest.mark.parametrize("rate", [0.1, 0.5, 2.0])
def test_a_looser_threshold_never_finds_less(rate: float) -> None:
    rng = np.random.default_rng(0)
    outcomes = [froc.Outcome(rng.random(2), rng.random(3)) for _ in range(20)]
    assert froc.sensitivity_at(outcomes, rate) <= froc.sensitivity_at(outcomes, rate + 0.5)


def drawn(seed: int, images: int = 30) -> list[froc.Outcome]:
    rng = np.random.default_rng(seed)
    return [
        froc.Outcome(
            np.where(rng.random(n) < 0.3, -np.inf, np.round(rng.random(n), 1)),
            np.round(rng.random(rng.integers(0, 6)), 1),
        )
        for n in rng.integers(0, 3, size=images)
    ]


def test_by_overlap_a_mark_hits_the_lesion_that_it_covers_most() -> None:
    marks = [([0, 0, 10, 10], 0.9), ([30, 30, 50, 50], 0.8)]
    lesions = [[0, 0, 10, 20], [0, 0, 10, 12], [45, 45, 90, 90]]
    found = froc.outcome(image(marks, lesions), iou=0.5)
    assert found.found.tolist() == [-np.inf, 0.9, -np.inf]  # 10/12 beats 10/20
    assert found.false.tolist() == [0.8]


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_what_every_threshold_counts(seed: int) -> None:
    outcomes = drawn(seed)
    for rate, hit, threshold in zip(*froc.curve(outcomes), strict=True):
        false = sum(int((o.false >= threshold).sum()) for o in outcomes)
        assert rate == pytest.approx(false / len(outcomes))
        assert hit == pytest.approx(froc.sensitivity(outcomes, threshold))


@pytest.mark.parametrize("seed", range(4))
def test_sensitivity_at_a_rate_is_the_curves_highest_within_it(seed: int) -> None:
    outcomes = drawn(seed)
    curve = froc.curve(outcomes)
    rates = (0.125, 0.25, 0.5, 1, 2, 4, 8)
    highest = [curve.sensitivity[curve.rate <= rate].max() for rate in rates]
    assert [froc.sensitivity_at(outcomes, rate) for rate in rates] == pytest.approx(highest)
    assert froc.cpm(outcomes) == pytest.approx(np.mean(highest))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [0.1, 1.0, 9.0])
def test_intervals_of_all_draws_at_once_are_those_of_each(seed: int, rate: float) -> None:
    outcomes = drawn(seed)
    groups = [str(number // 3) for number in range(len(outcomes))]
    at_once = resampled.Marks(outcomes, bootstrap.draw(groups, seed, 100)).sensitivity(rate)
    one_by_one = bootstrap.interval(
        outcomes, groups, lambda some: froc.sensitivity_at(some, rate), seed, 100
    )
    assert at_once == pytest.approx(one_by_one)
    marks = resampled.Marks(outcomes, bootstrap.draw(groups, seed, 100))
    assert marks.cpm() == pytest.approx(bootstrap.interval(outcomes, groups, froc.cpm, seed, 100))


def test_edges_without_marks_lesions_or_images() -> None:
    unmarked = [froc.Outcome(np.array([-np.inf]), np.array([]))]
    assert froc.curve(unmarked).sensitivity.tolist() == [0.0]
    assert froc.cpm(unmarked) == 0.0
    healthy = [froc.Outcome(np.array([]), np.array([0.3]))]
    assert np.isnan(froc.curve(healthy).sensitivity).all()
    assert np.isnan(froc.cpm(healthy))
    with pytest.raises(ValueError, match="No images"):
        froc.curve([])
