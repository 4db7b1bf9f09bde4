"""Probabilities against what came: scikit-learn, sums made by hand, and edges."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.training.golden import Y
from training.evaluation import reliability

CASES = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=40)
@given(CASES)
def test_brier_and_log_loss_are_those_of_scikit_learn(cases: list[tuple[bool, float]]) -> None:
    labels, p = (np.array(column) for column in zip(*cases, strict=True))
    assert reliability.brier(labels, p) == pytest.approx(metrics.brier_score_loss(labels, p))
    loss = metrics.log_loss(labels, p, labels=[False, True])
    assert reliability.log_loss(labels, p) == pytest.approx(loss)


@given(CASES, st.integers(1, 12))
def test_every_case_is_in_one_bin(cases: list[tuple[bool, float]], count: int) -> None:
    labels, p = (np.array(column, float) for column in zip(*cases, strict=True))
    for bins in (reliability.bins, reliability.equal_mass_bins):
        found = bins(labels, p, count)
        assert sum(one.cases for one in found) == len(p)
        assert sum(one.cases * one.said for one in found) == pytest.approx(p.sum())
        assert sum(one.cases * one.came for one in found) == pytest.approx(labels.sum())


def test_bins_of_equal_mass_hold_as_many_cases_each() -> None:
    distinct = np.linspace(0, 1, 20)
    assert [one.cases for one in reliability.equal_mass_bins(Y, distinct)] == [2] * 10
    few = reliability.equal_mass_bins([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], 2)
    assert [one.came for one in few] == [0.0, 1.0]
    assert reliability.equal_mass_error([0, 0, 1, 1], [0.25] * 4) == pytest.approx(0.25)


def test_an_edge_belongs_to_the_bin_above_it() -> None:
    assert [one.cases for one in reliability.bins([0, 0], [0.5, 0.499], 2)] == [1, 1]


def test_edges() -> None:
    assert isnan(reliability.error([], []))
    assert isnan(reliability.brier([], []))
    assert isnan(reliability.log_loss([], []))
    with pytest.raises(ValueError, match="calibrate scores first"):
        reliability.brier([1], [1.2])
