"""Values measured with scikit-learn 1.9, and by hand."""

import numpy as np
import pytest

from training.evaluation import bootstrap, reliability, roc

Y = [0] * 12 + [1] * 8
NEGATIVES_A = [0.35, 0.41, 0.30, 0.17, 0.26, 0.15, 0.36, 0.62, 0.25, 0.23, 0.45, 0.42]
NEGATIVES_B = [0.00, 0.30, 0.10, 0.40, 0.38, 0.31, 0.00, 0.24, 0.34, 0.37, 0.04, 0.25]
A = [*NEGATIVES_A, 0.62, 0.41, 0.59, 0.74, 0.33, 0.51, 0.22, 0.34]
B = [*NEGATIVES_B, 0.30, 0.34, 0.71, 0.34, 0.49, 0.68, 0.38, 0.48]


@pytest.mark.parametrize(("scores", "expected"), [(A, 0.7083333), (B, 0.8541667)])
def test_auc_is_that_of_scikit_learn(scores: list[float], expected: float) -> None:
    assert roc.auc(Y, scores) == pytest.approx(expected, abs=1e-7)


def test_ties_count_half() -> None:
    assert roc.auc([0, 1], [0.5, 0.5]) == 0.5
    assert roc.auc([0, 0, 1], [0.1, 0.5, 0.5]) == 0.75


def test_one_class_alone_has_no_auc() -> None:
    assert np.isnan(roc.auc([1, 1], [0.1, 0.2]))


def test_brier_and_calibration_error_are_the_known_values() -> None:
    assert reliability.brier(Y, A) == pytest.approx(0.198455, abs=1e-6)
    assert reliability.error(Y, A) == pytest.approx(0.1385, abs=1e-4)


def test_bins_hold_every_case_once() -> None:
    found = reliability.bins(Y, A)
    assert sum(one.cases for one in found) == len(Y)
    assert sum(one.cases * one.came for one in found) == pytest.approx(sum(Y))


def test_with_one_item_a_patient_the_bootstrap_is_the_ordinary_one() -> None:
    items = list(zip(Y, A, strict=True))
    groups = [str(i) for i in range(len(items))]
    got = bootstrap.interval(items, groups, _auc, seed=3, draws=200)
    rng = np.random.default_rng(3)
    drawn = [[items[i] for i in rng.integers(len(items), size=len(items))] for _ in range(200)]
    values = [v for v in map(_auc, drawn) if not np.isnan(v)]
    assert got.value == pytest.approx(0.7083333, abs=1e-7)
    assert (got.low, got.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_copies_of_a_patient_do_not_narrow_the_interval() -> None:
    items = list(zip(Y, A, strict=True))
    single = bootstrap.interval(items, [str(i) for i in range(20)], _auc, seed=1, draws=300)
    copied = bootstrap.interval(items * 4, [str(i) for i in range(20)] * 4, _auc, seed=1, draws=300)
    assert copied.high - copied.low == pytest.approx(single.high - single.low)


def _auc(pairs: list[tuple[int, float]]) -> float:
    return roc.auc([y for y, _ in pairs], [s for _, s in pairs])
