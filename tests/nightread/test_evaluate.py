"""`nightread evaluate` as a person and a program meet it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightread.cli.app import app
from nightread.errors import Refused, UsageError
from nightread.shapes import EvaluateDocument

ROW = {
    "laterality": "L", "boxes": [[10, 10, 60, 60]], "detection": [0.5], "kind": [0],
    "lesion": [0.5], "malignancy": [0.5],
}  # fmt: skip
LESION = [12, 12, 58, 58, "mass", True, None]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Six patients with a lesion that is found, six without anything but a mark."""
    rows = [
        ROW
        | {"image": f"{n}-CC", "patient": str(n), "malignant": n < 6, "probability": 0.9 - n / 20}
        | {"lesions": [LESION] if n < 6 else []}
        for n in range(12)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "predictions-ours.jsonl").write_text(text)
    return tmp_path


def test_a_program_gets_one_document_of_figures(record: Path) -> None:
    ended = CliRunner().invoke(app, ["evaluate", "--from-predictions", str(record), "--json"])
    said = EvaluateDocument.model_validate_json(ended.stdout)
    (one,) = said.sets
    assert (said.report, said.recomputed) == (None, None)
    assert (one.images, one.patients, one.lesions, one.malignant_breasts) == (12, 12, 6, 6)
    figures = {(f.unit, f.name): f for f in one.figures}
    assert figures["breast", "ROC AUC"].value == 1.0
    # Six false marks on twelve images, all of the lesions' own score.
    assert figures["lesion", "sensitivity at 0.25"].value == 0.0
    assert figures["lesion", "sensitivity at 0.5"].value == 1.0
    assert all(f.definition for f in one.figures)


def test_a_person_gets_a_page_and_a_line_a_set(record: Path) -> None:
    page = record / "report.html"
    ended = CliRunner().invoke(app, ["evaluate", str(record), "--out", str(page), "--quiet"])
    assert ended.stderr == ""
    assert "ours: 12 images, 12 patients" in ended.stdout
    assert "ROC AUC by breast 1.00 [1.00, 1.00]" in ended.stdout
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name either the folder of a run or --from-predictions"),
        (["run", "--from-predictions", "other"], "Name either"),
        (["run"], "--out FILE.html, or ask for figures with --json"),
        (["run", "--out", "report.pdf"], r"must end in \.html"),
        (["run", "--out", "nowhere/report.html"], "a folder that exists"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(ended.exception, UsageError)
    with pytest.raises(UsageError, match=said):
        raise ended.exception


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--json"])
    assert isinstance(ended.exception, Refused)
    assert "give the folder of a finished run" in str(ended.exception)


def test_two_sets_of_the_same_images_are_compared(record: Path) -> None:
    lines = (record / "predictions-ours.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    worse = [row | {"probability": 0.5 + int(row["patient"]) % 4 / 10} for row in rows]
    text = "".join(json.dumps(row) + "\n" for row in worse)
    (record / "predictions-theirs.jsonl").write_text(text)
    ended = CliRunner().invoke(app, ["evaluate", str(record), "--json"])
    said = EvaluateDocument.model_validate_json(ended.stdout)
    assert [(p.unit, p.first, p.second, p.cases) for p in said.pairs] == [
        (unit, "ours", "theirs", 12) for unit in ("image", "breast", "patient")
    ]
    breast = said.pairs[1]
    assert breast.aucs[0] == 1.0
    assert breast.difference is not None
    assert breast.difference > 0.3
    assert breast.low is not None
    assert breast.p is not None
    page = record / "report.html"
    told = CliRunner().invoke(app, ["evaluate", str(record), "--out", str(page), "--quiet"])
    assert "ours less theirs: ROC AUC by breast +0." in told.stdout
    assert "Two systems" in page.read_text()
