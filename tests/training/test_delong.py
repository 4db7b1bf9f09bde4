"""DeLong's test against known values (two implementations agree) and against its definition."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tests.training.golden import A, B, Y
from training.evaluation import roc
from training.evaluation.delong import compare

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=12, max_size=12)


def test_the_known_values() -> None:
    found = compare(Y, A, B)
    assert found.aucs == pytest.approx((0.7083333, 0.8541667), abs=1e-7)
    expected = [[0.01608439, -0.00500964], [-0.00500964, 0.00712764]]
    assert found.covariance == pytest.approx(np.array(expected), abs=1e-8)
    assert found.z == pytest.approx(-0.7999873, abs=1e-7)  # b is better
    assert found.p == pytest.approx(0.4237182, abs=1e-7)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.z)))


@settings(deadline=None, max_examples=40)
@given(SCORES, SCORES)
def test_components_are_those_of_the_definition(a: list[float], b: list[float]) -> None:
    truth = np.array([True, False] * 6)
    found = compare(truth, a, b)
    kernels = []
    for scores in (np.array(a), np.array(b)):
        above = scores[truth][:, None] - scores[~truth][None]
        kernels.append((above > 0) + 0.5 * (above == 0))
    variance = np.cov([k.mean(axis=1) for k in kernels]) / 6
    variance = variance + np.cov([k.mean(axis=0) for k in kernels]) / 6
    assert found.covariance == pytest.approx(variance)
    assert found.aucs == pytest.approx((roc.auc(truth, a), roc.auc(truth, b)))


def test_equal_scores_have_no_difference_to_test() -> None:
    found = compare(Y, A, A)
    assert isnan(found.z)
    assert isnan(found.p)


def test_one_positive_has_no_variance() -> None:
    assert isnan(compare([1, 0, 0], [0.9, 0.1, 0.2], [0.3, 0.2, 0.1]).aucs[0])


def test_the_order_of_the_scores_turns_the_sign() -> None:
    assert compare(Y, A, B).z == pytest.approx(-compare(Y, B, A).z)
