"""The report of a run: whole, in one file, and harmless whatever the predictions say."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mammo.codes import Kind
from training.datasets.record import Lesion, Split
from training.datasets.store import View
from training.evaluation import predictions, record, slices, summary
from training.evaluation.aggregate import Unit
from training.evaluation.bootstrap import Interval
from training.evaluation.predictions import Case, Details, Prediction
from training.report import markup, worst
from training.report.build import report
from training.report.pictures import same_lesions

LESION = (100.0, 100.0, 140.0, 150.0)


def case(number: int, *, malignant: bool, hit: bool, name: str = "") -> Case:
    """A patient with one view; the mark lies on the lesion or far away from it."""
    lesions = (Lesion(LESION, Kind.MASS, malignant, 4.0 + number % 8),)
    view = View(
        "set", name or f"{number}-LCC", str(number), "L", "CC" if number % 2 else "MLO",
        Split.TEST, malignant, lesions, (), tuple(Kind),
    )  # fmt: skip
    box = LESION if hit else (10.0, 400.0, 40.0, 440.0)
    score = 0.1 + 0.8 * ((number * 7) % 20) / 20
    found = Prediction(
        np.array([box]), np.array([score]), np.array([0]), np.array([score]), np.array([score])
    )
    return Case(view, found, Details("bc"[number % 2], None, 45 + number))


CASES = [case(n, malignant=n % 3 == 0, hit=n % 4 != 0) for n in range(24)]
CALIBRATION = {
    "calibration": {
        "lesion_intercept": 0.0,
        "detection": 1.0,
        "lesion": 0.0,
        "malignancy_intercept": 100.0,
        "malignancy": 0.0,
    },
    "finding_threshold": 0.2,
    "study_steps": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8],
}


def written(folder: Path, cases: list[Case]) -> Path:
    predictions.save(folder / "predictions-set.jsonl", cases)
    (folder / "calibration.json").write_text(json.dumps(CALIBRATION))
    return folder


class Tags(HTMLParser):
    """Which elements are open, and every address that is named."""

    VOID = frozenset({"meta", "path", "rect", "use", "image"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_report_is_one_file_that_asks_nobody(tmp_path: Path) -> None:
    cases = [*CASES, case(30, malignant=True, hit=False, name="<script>alert(1)</script>")]
    said: list[str] = []
    found = report(written(tmp_path, cases), None, said.append)
    tags = Tags()
    tags.feed(found.html)
    assert tags.open == []
    assert "script" not in tags.seen
    assert all(address.startswith(("#", "data:")) for address in tags.addresses)
    assert not re.search(r"url\((?!#)|@import", found.html)
    plots = ("FROC.", "ROC.", "Precision and recall.", "Reliability.", "Confusion.")
    assert all(f"<b>{title}</b>" in found.html for title in plots)
    assert "Worst misses" in found.html
    assert found.compared is None
    assert said


def test_a_set_of_one_class_without_lesions_or_marks_has_a_report_too(tmp_path: Path) -> None:
    view = View("set", "a", "1", "L", "CC", Split.TEST, False, (), (), tuple(Kind))
    nothing = Prediction(
        np.empty((0, 4)), np.array([]), np.array([], np.int64), np.array([]), np.array([])
    )
    found = report(written(tmp_path, [Case(view, nothing)]), None, lambda _: None)
    assert np.isnan(found.parts[0].summary.figure(Unit.IMAGE, "ROC AUC").interval.value)
    assert "&ndash;" in found.html


def test_predictions_without_a_calibration_are_refused_with_what_to_add(tmp_path: Path) -> None:
    predictions.save(tmp_path / "predictions-set.jsonl", CASES)
    with pytest.raises(record.RecordError, match=r"add calibration\.json beside the predictions"):
        report(tmp_path, None, lambda _: None)


def test_figures_are_counted_by_image_breast_and_patient() -> None:
    two = [CASES[0], case(0, malignant=False, hit=True, name="0-LMLO"), *CASES[1:]]
    loaded = record.Calibrated.model_validate(CALIBRATION)
    made = record.Record("r", None, loaded, None, {"set": two}, None)
    found = summary.of_set(two, made.calibration, made.raised)
    assert (found.images, found.breasts, found.patients) == (25, 24, 24)
    assert made.raised == 0.65  # score 8 is reached at the seventh step
    missed = len(CASES) // 4
    found_share = found.figure(summary.LESION, "sensitivity at 2").interval.value
    assert found_share == pytest.approx(1 - missed / 25)
    parts, unknown = slices.of_set(two, made.calibration)
    assert unknown == ["manufacturer"]
    assert sum(part.images for part in parts if part.by == "density") == 25
    assert {part.value for part in parts if part.by == "pathology"} == {"malignant", "benign"}


def test_the_worst_misses_are_malignant_plain_and_of_different_patients() -> None:
    found = worst.misses(CASES)
    assert [one.case.view.patient for one in found[:2]] == ["12", "0"]  # malignant and missed
    strengths = [one.case.view.lesions[0].detectability for one in found[:2]]
    assert strengths == sorted(strengths, reverse=True)
    assert not any(one.case.view.malignant for one in found[2:])


def test_the_worst_false_alarms_hit_nothing_and_score_highest() -> None:
    found = worst.false_alarms(CASES, None, 3)
    assert [int(one.case.view.patient) % 4 for one in found] == [0, 0, 0]
    scores = [one.case.prediction.detection[0] for one in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("interval", "patients", "shown"),
    [
        (Interval(0.5, 0.4, 0.6), 10, "0.40&ndash;0.60"),
        (Interval(0.5, 0.4, 0.6), 9, None),
        (Interval(1.0, 1.0, 1.0), 50, None),
        (Interval(float("nan"), float("nan"), float("nan")), 50, None),
    ],
)
def test_an_interval_is_shown_where_it_says_something(
    interval: Interval, patients: int, shown: str | None
) -> None:
    assert ('class="ci"' in markup.interval(interval, patients)) is (shown is not None)
    assert (shown or "") in markup.interval(interval, patients)


def test_a_picture_whose_lesions_moved_is_not_shown() -> None:
    moved = Lesion((101.0, 100.0, 140.0, 150.0), Kind.MASS, malignant=True)
    rounded = Lesion((100.04, 100.0, 140.0, 150.0), Kind.MASS, malignant=True)
    view = CASES[0].view
    as_view = [
        View("set", "a", "0", "L", "CC", Split.TEST, True, lesions, (), tuple(Kind))
        for lesions in ((moved,), (rounded,), ())
    ]
    assert [same_lesions(one, view) for one in as_view] == [False, True, False]
