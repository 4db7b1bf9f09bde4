"""Intervals over patients: what they cover, and that they draw patients and nothing else."""

import numpy as np
import pytest

from training.evaluation import bootstrap


def mean(values: list[float]) -> float:
    return float(np.mean(values))


def test_with_one_item_a_patient_it_is_the_ordinary_bootstrap() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=30).tolist()
    found = bootstrap.interval(values, [str(n) for n in range(30)], mean, 5, 200)
    same = np.random.default_rng(5)
    means = [np.mean(np.array(values)[same.integers(30, size=30)]) for _ in range(200)]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


def test_patients_are_drawn_whole() -> None:
    draws = bootstrap.draw(["a", "b", "a", "c"], 1, 50)
    assert draws.counts.sum(axis=1).tolist() == [3] * 50
    assert (draws.weights[:, 0] == draws.weights[:, 2]).all()


def test_it_covers_the_truth_of_clustered_data_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    groups = [str(n // 4) for n in range(240)]  # sixty patients of four images
    inside = 0
    for seed in range(200):
        patients = np.repeat(rng.normal(size=60), 4)  # the images of a patient are alike
        values = patients + rng.normal(scale=0.3, size=240)
        draws = bootstrap.draw(groups, seed, 200)
        drawn = (draws.weights @ values) / draws.weights.sum(axis=1)
        found = bootstrap.percentiles(float(values.mean()), drawn)
        inside += found.low <= 0 <= found.high
    assert 0.90 <= inside / 200 <= 0.985


def test_draws_without_a_value_are_left_out() -> None:
    values = bootstrap.percentiles(0.5, np.array([np.nan, 0.4, 0.6, np.nan]))
    assert 0.4 <= values.low <= values.high <= 0.6
    nothing = bootstrap.percentiles(np.nan, np.array([np.nan, np.nan]))
    assert np.isnan(nothing.low)
    assert np.isnan(nothing.high)


def test_nothing_can_be_drawn_from_nothing() -> None:
    with pytest.raises(ValueError, match="needs cases"):
        bootstrap.draw([], 0)
