"""Counts and their ratios against scikit-learn; what is undefined is NaN."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.training.golden import A, Y
from training.evaluation.counts import Confusion, confusion, confusion_matrix, multiclass_mcc

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_ratios_are_those_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    truth, said = (np.array(column) for column in zip(*pairs, strict=True))
    found = confusion(truth, said)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, said, average="binary", zero_division=np.nan
    )
    assert found.precision == pytest.approx(precision, nan_ok=True)
    assert found.recall == pytest.approx(recall, nan_ok=True)
    assert found.f1 == pytest.approx(f1, nan_ok=True)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, said))
    specificity = metrics.recall_score(~truth, ~said, zero_division=np.nan)
    assert found.specificity == pytest.approx(specificity, nan_ok=True)
    if (truth | said).any():
        assert found.iou == pytest.approx(metrics.jaccard_score(truth, said))
    if len({*truth.tolist(), *said.tolist()}) == 2:  # scikit-learn warns of one class alone
        assert found.mcc == pytest.approx(metrics.matthews_corrcoef(truth, said))


def test_the_known_values_at_one_half() -> None:
    found = confusion(Y, np.array(A) >= 0.5)
    assert found == Confusion(tp=4, fp=1, fn=4, tn=11)
    assert found.mcc == pytest.approx(0.4714045, abs=1e-7)
    assert found.f1 == pytest.approx(0.6153846, abs=1e-7)


def test_what_is_undefined_is_not_a_number() -> None:
    nothing = Confusion(0, 0, 0, 0)
    assert all(
        isnan(value)
        for value in (
            *(nothing.accuracy, nothing.precision, nothing.recall, nothing.specificity),
            *(nothing.f1, nothing.iou, nothing.mcc),
        )
    )
    assert isnan(Confusion(0, 0, 3, 5).precision)
    assert Confusion(0, 0, 3, 5).mcc == 0.0  # a margin is empty: scikit-learn's rule


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("NBM"), st.sampled_from("NBM")), min_size=1, max_size=40))
def test_several_classes_are_counted_as_scikit_learn_does(pairs: list[tuple[str, str]]) -> None:
    truth, said = (list(column) for column in zip(*pairs, strict=True))
    matrix = confusion_matrix(truth, said, "NBM")
    assert matrix.tolist() == metrics.confusion_matrix(truth, said, labels=list("NBM")).tolist()
    if len({*truth, *said}) > 1:
        assert multiclass_mcc(matrix) == pytest.approx(metrics.matthews_corrcoef(truth, said))


def test_counts_of_many_pixels_do_not_overflow() -> None:
    many = 10**9
    assert Confusion(many, many, many, many).mcc == 0.0
    assert Confusion(many, 0, 0, many).mcc == pytest.approx(1.0)


def test_a_class_that_nobody_named_is_refused() -> None:
    with pytest.raises(ValueError, match="'X' is none of the classes N, B, M"):
        confusion_matrix(["N"], ["X"], "NBM")


def test_labels_and_decisions_must_be_of_one_shape() -> None:
    with pytest.raises(ValueError, match="give one of each"):
        confusion([True, False], [True])
