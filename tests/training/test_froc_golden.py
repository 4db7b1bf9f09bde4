"""A detector's marks on real mammograms: figures that were measured with other code."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from training.evaluation import bootstrap, froc, resampled, roc

FILE = Path(__file__).with_name("inbreast-marks.tsv")
RATES = (0.1, 0.2, 0.25, 0.3, 0.5, 1, 2)
SIX = (0.25, 0.5, 1, 2, 4, 8)  # monai's habit
NOWHERE = (-9.0, -9.0, -9.0, -9.0)  # a mark whose box does not matter: it is false
WANTED = {  # lowest overlap, None for the centre rule: sensitivity at RATES
    None: (0.791, 0.802, 0.879, 0.901, 0.923, 0.956, 0.978),
    0.2: (0.780, 0.791, 0.846, 0.890, 0.912, 0.934, 0.956),
    0.5: (0.692, 0.714, 0.725, 0.769, 0.813, 0.824, 0.824),
}


class Seen(NamedTuple):
    """One image."""

    breast: str
    image: froc.Image

    @property
    def cancer(self) -> bool:
        return len(self.image.lesions) > 0

    @property
    def score(self) -> float:
        return float(self.image.scores.max())


def _numbers(text: str) -> list[list[float]]:
    return [[float(value) for value in one.split()] for one in text.split(";") if one]


def _seen(line: str) -> Seen:
    patient, breast, cancers, marks = line.split("\t")
    rows = _numbers(marks)
    boxes = [row[1:] or NOWHERE for row in rows]
    lesions = np.array(_numbers(cancers), np.float64).reshape(-1, 4)
    scores = np.array([row[0] for row in rows], np.float64)
    return Seen(breast, froc.Image(patient, np.array(boxes, np.float64), scores, lesions))


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [_seen(line) for line in lines if not line.startswith("#")]


def test_the_file_holds_what_was_published(seen: list[Seen]) -> None:
    assert len(seen) == 347
    assert sum(len(one.image.scores) for one in seen) == 1014
    assert sum(len(one.image.lesions) for one in seen) == 91
    assert sum(one.cancer for one in seen) == 84
    assert len({one.image.group for one in seen}) == 104


@pytest.mark.parametrize(("iou", "wanted"), WANTED.items())
def test_sensitivity_at_a_rate_of_false_marks(
    seen: list[Seen], iou: float | None, wanted: tuple[float, ...]
) -> None:
    outcomes = [froc.outcome(one.image, iou) for one in seen]
    found = [froc.sensitivity_at(outcomes, rate) for rate in RATES]
    assert found == pytest.approx(list(wanted), abs=5e-4)


def test_false_marks_and_the_means_over_rates(seen: list[Seen]) -> None:
    outcomes = [froc.outcome(one.image) for one in seen]
    assert sum(len(one.false) for one in outcomes) == 890
    assert froc.cpm(outcomes) == pytest.approx(0.93250, abs=5e-6)
    six = np.mean([froc.sensitivity_at(outcomes, rate) for rate in SIX])
    assert six == pytest.approx(0.95604, abs=5e-6)


def test_the_interval_over_patients(seen: list[Seen]) -> None:
    outcomes = [froc.outcome(one.image) for one in seen]
    draws = bootstrap.draw([one.image.group for one in seen], seed=1, draws=1000)
    found = resampled.Marks(outcomes, draws).sensitivity(0.3)
    assert found.value == pytest.approx(0.901, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((0.81, 0.96), abs=0.015)


def test_areas_by_image_and_by_breast(seen: list[Seen]) -> None:
    by_image = roc.auc([one.cancer for one in seen], [one.score for one in seen])
    assert by_image == pytest.approx(0.9126, abs=5e-5)
    breasts: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        breasts[one.breast].append(one)
    labels = [any(view.cancer for view in views) for views in breasts.values()]
    assert (sum(labels), len(labels)) == (42, 176)
    scores = [[view.score for view in views] for views in breasts.values()]
    assert roc.auc(labels, [max(views) for views in scores]) == pytest.approx(0.931, abs=5e-4)
    means = [float(np.mean(views)) for views in scores]
    assert roc.auc(labels, means) == pytest.approx(0.938, abs=5e-4)
