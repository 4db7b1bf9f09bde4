"""Records of runs: the committed ones give their figures again; broken ones say what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from mammo.codes import Kind
from training import card
from training.datasets.record import Lesion, Split
from training.datasets.store import View
from training.evaluation import measure, predictions, record, rival
from training.evaluation.froc import Outcome
from training.evaluation.predictions import Case, Details, Prediction
from training.evaluation.recomputed import compare, leaves
from training.evaluation.record import LIMIT, RecordError

RESULTS = Path(__file__).parents[2] / "training" / "results"
RECORDS = sorted(path.parent for path in RESULTS.glob("*/figures.json"))


def view(name: str, *lesions: Lesion) -> View:
    return View(
        "set", name, "p1", "L", "CC", Split.TEST, bool(lesions), lesions, (), tuple(Kind)
    )  # fmt: skip


CASE = Case(
    view("p1-LCC", Lesion((1.0, 2.0, 30.5, 40.5), Kind.MASS, malignant=True, detectability=6.25)),
    Prediction(
        np.array([[2.0, 3, 30, 40]]),
        np.array([0.5]),
        np.array([0]),
        np.array([0.75]),
        np.array([0.25]),
    ),
    Details(density="c", age=61),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    predictions.save(tmp_path / "predictions-set.jsonl", [CASE])
    return tmp_path


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_every_figure_of_a_committed_record_is_computed_again(folder: Path) -> None:
    found = record.read(folder)
    assert found.figures
    assert found.calibration
    again = measure.figures(found.sets, found.calibration, found.matched_filters)
    compared = compare(dict(found.figures), again)
    assert compared.different == ()
    without = [path for path in compared.missing if "/matched_filter/" not in path]
    assert without == []
    assert compared.equal > 200
    if found.matched_filters:
        assert compared.missing == ()
        again |= {key: found.figures[key] for key in ("command", "reference")}
        beside = folder / record.PRECISION
        halves = json.loads(beside.read_text()) if beside.is_file() else None
        real = bool(found.made and found.made.real_data)
        text = card.text(folder.name, again, halves, real)
        assert text == (folder / "card.md").read_text()


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_a_committed_record_is_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) < LIMIT


def test_a_figure_that_is_not_what_it_was_is_named() -> None:
    compared = compare(
        {"command": "c", "a": {"auc": [0.7, 0.6], "cases": 3}, "b": None},
        {"a": {"auc": [0.7004, 0.65], "cases": 3}},
    )
    assert compared.equal == 2
    assert [(one.figure, one.stored, one.computed) for one in compared.different] == [
        ("a/auc/1", 0.6, 0.65)
    ]
    assert compared.missing == ("b",)
    assert [path for path, _ in leaves({"a": [1, {"b": 2}]})] == ["a/0", "a/1/b"]


def test_predictions_come_back_as_they_were_kept(run: Path) -> None:
    (back,) = predictions.read(run / "predictions-set.jsonl")
    assert back.view == CASE.view
    assert back.details == CASE.details
    for name in ("boxes", "detection", "kind", "lesion", "malignancy"):
        assert getattr(back.prediction, name).tolist() == getattr(CASE.prediction, name).tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"detection": [0.5, 0.4]}, "differ in length"),
        ({"detection": [1.5]}, "detection.0: Input should be less than or equal to 1"),
        ({"patient": None}, "patient: Input should be a valid string"),
        ({"hospital": "x"}, "hospital: Extra inputs are not permitted"),
    ],
)
def test_a_broken_line_is_named(run: Path, change: dict[str, object], said: str) -> None:
    path = run / "predictions-set.jsonl"
    row = json.loads(path.read_text())
    path.write_text(path.read_text() + json.dumps(row | {"image": "other"} | change) + "\n")
    with pytest.raises(RecordError, match=f"predictions-set.jsonl line 2 .*{said}"):
        record.read(run)


def test_an_image_that_is_there_twice_is_refused(run: Path) -> None:
    path = run / "predictions-set.jsonl"
    path.write_text(path.read_text() * 2)
    with pytest.raises(RecordError, match="line 2 repeats the image p1-LCC"):
        record.read(run)


def test_a_folder_without_predictions_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no predictions-\*.jsonl: give the folder"):
        record.read(tmp_path)
    (tmp_path / "predictions-set.jsonl").touch()
    with pytest.raises(RecordError, match="holds no predictions"):
        record.read(tmp_path)


@pytest.mark.parametrize("content", ["{", '{"calibration": {}, "finding_threshold": "high"}'])
def test_a_broken_file_beside_the_predictions_is_named(run: Path, content: str) -> None:
    (run / "calibration.json").write_text(content)
    with pytest.raises(RecordError, match=r"calibration\.json"):
        record.read(run)


def test_a_record_is_kept_without_pictures_and_checkpoints(run: Path, tmp_path: Path) -> None:
    (run / "record.json").write_text(json.dumps(record.describe({}, real_data=False)))
    (run / "detector.checkpoint.pt").write_bytes(b"weights")
    kept = tmp_path / "kept"
    record.keep(run, kept)
    assert {path.name for path in kept.iterdir()} == {"record.json", "predictions-set.jsonl"}
    made = record.read(kept).made
    assert made
    assert made.real_data is False


def test_a_record_that_is_too_large_is_not_kept(run: Path, tmp_path: Path) -> None:
    (run / "card.md").write_text("x" * LIMIT)
    with pytest.raises(RecordError, match=r"takes 1\.0 MB, at most 1 is committed"):
        record.keep(run, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_matched_filters_found_comes_back(tmp_path: Path) -> None:
    found = {"a": Outcome(np.array([5.5, -np.inf]), np.array([3.25])), "b": _nothing()}
    rival.save(tmp_path / rival.FILE, found)
    back = rival.read(tmp_path / rival.FILE)
    assert list(back) == ["a", "b"]
    assert back["a"].found.tolist() == [5.5, -np.inf]
    assert back["a"].false.tolist() == [3.25]
    (tmp_path / rival.FILE).write_text("{}\n")
    with pytest.raises(predictions.PredictionsError, match="line 1 is no outcome"):
        rival.read(tmp_path / rival.FILE)


def _nothing() -> Outcome:
    return Outcome(np.array([]), np.array([]))
