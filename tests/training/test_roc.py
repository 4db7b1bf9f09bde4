"""Values measured with scikit-learn 1.9, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.training.golden import A, B, Y
from training.evaluation import bootstrap, reliability, resampled, roc

CASES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8).map(lambda n: n / 8)), min_size=1, max_size=30
)


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


def test_partial_areas_are_the_known_values() -> None:
    assert roc.partial_auc(Y, A, 0.1).standardised == pytest.approx(0.5997807, abs=1e-7)
    assert roc.partial_auc(Y, A, 0.2).standardised == pytest.approx(0.6498843, abs=1e-7)
    assert roc.partial_auc(Y, A, 1.0).raw == pytest.approx(roc.auc(Y, A))


@settings(deadline=None, max_examples=40)
@given(CASES)
def test_curve_and_areas_are_those_of_scikit_learn(cases: list[tuple[bool, float]]) -> None:
    labels, scores = (np.array(column) for column in zip(*cases, strict=True))
    if len(set(labels.tolist())) == 1:
        assert np.isnan(roc.auc(labels, scores))
        assert np.isnan(roc.partial_auc(labels, scores, 0.1).standardised)
        assert np.isnan(roc.sensitivity_at_specificity(labels, scores, 0.9).sensitivity)
        return
    found = roc.curve(labels, scores)
    fpr, tpr, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert found.fpr == pytest.approx(fpr)
    assert found.tpr == pytest.approx(tpr)
    assert found.thresholds == pytest.approx(thresholds)
    assert roc.auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))
    part = metrics.roc_auc_score(labels, scores, max_fpr=0.3)
    assert roc.partial_auc(labels, scores, 0.3).standardised == pytest.approx(part)
    point = roc.sensitivity_at_specificity(labels, scores, 0.7)
    assert point.sensitivity == pytest.approx(tpr[fpr <= 0.3 + 1e-12].max())
    called = scores >= point.threshold
    assert called[labels].mean() == pytest.approx(point.sensitivity)
    assert (~called[~labels]).mean() == pytest.approx(point.specificity)


def test_sensitivity_at_a_specificity_is_not_interpolated() -> None:
    point = roc.sensitivity_at_specificity(Y, A, 0.9)
    assert point.sensitivity == 0.5  # above 0.45 there is one of twelve negatives
    assert point.threshold == 0.51


def test_a_recall_rate_takes_the_share_that_it_says() -> None:
    scores = np.arange(100) / 100
    threshold = roc.threshold_at_recall_rate(scores, 0.05)
    assert roc.recall_rate(scores, threshold) == 0.05
    assert roc.recall_rate([0.5, 0.5, 0.5, 0.1], 0.5) == 0.75  # equal scores go together
    assert np.isnan(roc.recall_rate([], 0.5))
    with pytest.raises(ValueError, match="needs cases"):
        roc.threshold_at_recall_rate([], 0.05)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="give a share above 0, at most 1"):
        roc.partial_auc(Y, A, share)
    with pytest.raises(ValueError, match="give a share above 0, at most 1"):
        roc.threshold_at_recall_rate(A, share)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_of_all_draws_at_once_are_those_of_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(40), 1)  # with ties
    labels = rng.random(40) < 0.3
    groups = [str(n) for n in rng.integers(15, size=40)]
    at_once = resampled.auc(labels, scores, bootstrap.draw(groups, seed, 100))
    items = list(zip(labels, scores, strict=True))
    one_by_one = bootstrap.interval(
        items, groups, lambda some: roc.auc(*zip(*some, strict=True)), seed, 100
    )
    assert at_once == pytest.approx(one_by_one)
    draws = bootstrap.draw(groups, seed, 100)
    assert resampled.each(labels, scores, draws, roc.auc) == pytest.approx(one_by_one)


def test_a_differences_interval_is_paired() -> None:
    groups = [str(n % 7) for n in range(20)]
    found = resampled.auc_difference(Y, A, B, bootstrap.draw(groups, 2, 100))
    items = list(zip(Y, A, B, strict=True))

    def apart(some: list[tuple[int, float, float]]) -> float:
        labels, a, b = zip(*some, strict=True)
        return roc.auc(labels, a) - roc.auc(labels, b)

    assert found == pytest.approx(bootstrap.interval(items, groups, apart, 2, 100))
    assert found.value == pytest.approx(0.7083333 - 0.8541667, abs=1e-7)
