"""What `nightread models` says of a release: for people and, as held shapes, for programs."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightread.cli.models import app
from nightread.errors import Refused
from nightread.shapes import ListDocument, ShowDocument, VerifyDocument
from triton_repo.release import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack's settings."""
    monkeypatch.chdir(tmp_path)


def asked(*arguments: str) -> str:
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_all_that_a_result_depends_on_is_shown(small_releases: Path) -> None:
    where = ("--releases", str(small_releases))
    manifest = load(small_releases / "several").manifest
    told = asked("show", "several", *where)
    document = ShowDocument.model_validate_json(asked("show", "several", *where, "--json"))
    assert document.intended_use == manifest.intended_use
    assert document.valid_for == ["ffdm", "film"]
    assert document.operating_points.steps == list(manifest.scale.steps)
    assert (document.operating_points.urgent, document.operating_points.routine) == (10, 4)
    assert document.calibration.malignancy == manifest.calibration.malignancy
    assert document.preparation.version == manifest.preparation.version
    assert document.reference.boxes == {f"reference/0{n}.png": 4 for n in range(4)}
    assert [model.name for model in document.models][-1] == "whole"
    for words in (
        *("several", load(small_releases / "several").digest, "the four brightest pixels"),
        *("intended use  tests", "ffdm, film", "version area2-linear/1", "FP32"),
        *("lesion_intercept 0.0", "a detection of 0.1", "0.1000, 0.2000", "urgent from 10"),
        *("reference/03.png: 4 boxes", "cpu: score 0.001", "tensorrt: score"),
    ):
        assert words in told


def test_verify_says_what_was_checked(small_releases: Path) -> None:
    where = ("--releases", str(small_releases))
    assert "4 canary boxes and 4 reference views are right" in asked("verify", "small", *where)
    document = VerifyDocument.model_validate_json(asked("verify", "small", *where, "--json"))
    assert (document.problems, document.reference_views, document.target) == ([], 4, "cpu")
    assert document.files == len(load(small_releases / "small").manifest.files)


def test_verify_prints_what_is_wrong_and_ends_with_5(small_releases: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_releases / "small", tmp_path / "small")
    stated = json.loads((folder / "manifest.json").read_text())
    stated["canary"]["detection"][0] -= 0.1
    stated["reference"]["views"]["reference/03.png"]["lesion"][2] += 0.1
    (folder / "manifest.json").write_text(json.dumps(stated))
    ended = CliRunner().invoke(app, ["verify", "small", "--releases", str(tmp_path), "--json"])
    document = VerifyDocument.model_validate_json(ended.stdout)
    assert [problem.split(" off")[0] for problem in document.problems][:1] == [
        "On this machine the canary's detection scores are"
    ]
    assert document.problems[1].startswith("Of reference/03.png lesion of box 2 is ")
    assert isinstance(ended.exception, Refused)
    assert ended.exception.exit_code == 5
    assert all(problem in str(ended.exception) for problem in document.problems)


def test_the_list_names_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/manifest.json").write_text("{}")
    document = ListDocument.model_validate_json(
        asked("list", "--releases", str(tmp_path), "--json")
    )
    (one,) = document.releases
    assert (one.name, one.digest, one.newest) == ("broken", None, True)
    assert "is not a release's manifest" in str(one.refused)
    assert "refused" in asked("list", "--releases", str(tmp_path))
