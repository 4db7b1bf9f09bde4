"""What FP16 changes is told by view and by mark, and a mark that one side lacks is no change."""

import numpy as np
import pytest

from mammo.findings import RawView, probability
from mammo.scoring import Calibration, Whole
from training import precision

pytestmark = pytest.mark.train

FITTED = Calibration(0.0, 1.0, 0.0, 100.0, 0.0)  # the detector's word alone


def raw(*marks: tuple[float, float], suspicion: float | None = None) -> RawView:
    """Marks by x and score."""
    table = np.array(marks, np.float32).reshape(-1, 2)
    x, score = table.T
    boxes = np.stack([x, x, x + 20, x + 20], axis=1)
    kinds = np.zeros(len(x), np.int32)
    return RawView(len(x), boxes, score, kinds, score / 2, score / 4, suspicion)


def test_marks_are_compared_by_place_not_by_rank() -> None:
    found = precision.changes(raw((10, 0.8), (100, 0.7)), raw((101, 0.75), (10, 0.72), (300, 0.9)))
    assert found == pytest.approx(np.array([[0.08, 0.04, 0.02], [0.05, 0.025, 0.0125]]), abs=1e-6)


def test_views_are_compared_by_their_probability_and_their_order() -> None:
    pairs = [
        (raw((10, 0.2)), raw((10, 0.21))),
        (raw((10, 0.5)), raw((10, 0.5))),
        (raw(), raw()),
        (raw((10, 0.9)), raw((400, 0.8))),
    ]
    found = precision.compared(pairs, FITTED)
    assert (found["views"], found["marks"], found["marks_in_both"]) == (4, 3, 2)
    assert found["largest_change"]["view_probability"] == pytest.approx(0.1, abs=1e-5)
    assert found["largest_change"]["detection"] == pytest.approx(0.01, abs=1e-5)
    assert found["rank_correlation"] == 1.0


def test_a_look_at_the_whole_counts() -> None:
    joined = Calibration(0.0, 1.0, 0.0, 100.0, 0.0, Whole(0.0, 1.0, 1.0))
    assert probability(raw((10, 0.5), suspicion=0.9), joined) == pytest.approx(0.9)
