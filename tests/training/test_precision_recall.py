"""Precision and recall against scikit-learn; probabilistic F1 against known values."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.training.golden import A, Y
from training.evaluation.counts import confusion
from training.evaluation.precision_recall import average_precision, curve, probabilistic_f1

CASES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8).map(lambda n: n / 8)), min_size=1, max_size=30
)


def test_the_known_values() -> None:
    assert average_precision(Y, A) == pytest.approx(0.6568910, abs=1e-7)
    assert probabilistic_f1(Y, A) == pytest.approx(0.4780674, abs=1e-7)


def test_probabilistic_f1_of_decisions_is_f1() -> None:
    called = np.array(A) >= 0.5
    assert probabilistic_f1(Y, called) == pytest.approx(0.6153846, abs=1e-7)
    assert probabilistic_f1(Y, called) == pytest.approx(confusion(Y, called).f1)


@settings(deadline=None, max_examples=40)
@given(CASES)
def test_it_is_scikit_learns(cases: list[tuple[bool, float]]) -> None:
    labels, scores = (np.array(column) for column in zip(*cases, strict=True))
    if not labels.any():
        assert isnan(average_precision(labels, scores))
        return
    expected = metrics.average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    found = curve(labels, scores)
    assert found.thresholds == pytest.approx(thresholds[::-1])
    assert found.precision == pytest.approx(precision[:-1][::-1])
    assert found.recall == pytest.approx(recall[:-1][::-1])


def test_edges() -> None:
    assert isnan(probabilistic_f1([0, 0], [0.2, 0.3]))
    assert probabilistic_f1([1, 0], [0.0, 0.0]) == 0.0
    assert probabilistic_f1([1, 0], [1.7, -0.2]) == 1.0  # clipped
    assert isnan(average_precision([], []))
