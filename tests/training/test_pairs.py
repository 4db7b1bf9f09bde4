"""Two systems on the same images, from one record."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from mammo.codes import Kind
from tests.training.golden import A, B, Y
from training.datasets.record import Split
from training.datasets.store import View
from training.evaluation import pairs
from training.evaluation.aggregate import Unit
from training.evaluation.predictions import Case, Prediction
from training.report import paired

NOTHING = np.empty(0)


def system(scores: list[float]) -> list[Case]:
    """Twenty patients with a view each, and the probability that a system says."""
    return [
        Case(
            View("set", f"{n}-CC", str(n), "L", "CC", Split.TEST, bool(label), (), (), tuple(Kind)),
            Prediction(
                NOTHING.reshape(0, 4), NOTHING, NOTHING.astype(np.int64), NOTHING, NOTHING, score
            ),
        )
        for n, (label, score) in enumerate(zip(Y, scores, strict=True))
    ]


def test_the_known_values_come_out_of_a_record() -> None:
    found = pairs.of_sets({"a": system(A), "b": system(B)[::-1]}, None)  # in another order
    assert [one.unit for one in found] == list(Unit)
    for one in found:  # a patient has one breast, and that one image
        assert (one.names, one.cases, one.malignant) == (("a", "b"), 20, 8)
        assert [auc.value for auc in one.aucs] == pytest.approx([0.7083333, 0.8541667], abs=1e-7)
        assert one.difference.value == pytest.approx(-0.1458333, abs=1e-7)
        assert one.difference.low < one.difference.value < one.difference.high
        assert one.z == pytest.approx(-0.7999873, abs=1e-7)
        assert one.p == pytest.approx(0.4237182, abs=1e-7)


def test_other_images_or_other_labels_are_no_pair() -> None:
    ours, other = system(A), system(B)
    turned = [*other[:-1], replace(other[-1], view=replace(other[-1].view, malignant=False))]
    renamed = [*other[:-1], replace(other[-1], view=replace(other[-1].view, name="x"))]
    for sets in ({"a": ours}, {"a": ours, "b": other[:-1]}, {"a": ours, "b": turned}):
        assert pairs.of_sets(sets, None) == ()
    assert pairs.of_sets({"a": ours, "b": renamed}, None) == ()
    assert pairs.of_sets({"a": [*ours, ours[0]], "b": [*other, other[0]]}, None) == ()


def test_the_section_names_both_and_their_difference() -> None:
    found = pairs.of_sets({"<ours>": system(A), "theirs": system(B)}, None)
    text = paired.section(found)
    assert "&lt;ours&gt;" in text
    assert "<b>-0.15</b>" in text
    assert "0.424" in text
    assert paired.section(()) == ""
    (alike, *_) = pairs.of_sets({"a": system(A), "b": system(A)}, None)
    assert isnan(alike.p)
    assert "&ndash;</td></tr>" in paired.section([alike])
