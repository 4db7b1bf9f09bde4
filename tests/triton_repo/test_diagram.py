"""The picture of an ensemble names what is in it, and is what a browser can show."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from nightread.cli.models import app
from triton_repo.diagram import svg
from triton_repo.release import Release, load

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=["small", "several"])
def drawn(request: pytest.FixtureRequest, small_releases: Path) -> Release:
    return load(small_releases / request.param)


def test_every_model_and_tensor_is_named(drawn: Release) -> None:
    picture = ET.fromstring(svg(drawn))
    said = [text.text or "" for text in picture.iter(f"{SVG}text")]
    for step in drawn.steps:
        assert step.model.name in said
        for name in step.writes:
            assert any(line.startswith(f"{name}  ") for line in said)


def test_each_model_is_reached_by_an_arrow_for_each_that_it_reads_from(drawn: Release) -> None:
    makers = {"image": "view"} | {
        name: step.model.name for step in drawn.steps for name in step.writes.values()
    }
    answers = {makers[tensor.name] for tensor in drawn.manifest.ensemble.outputs}
    wanted = sum(len({makers[name] for name in step.reads.values()}) for step in drawn.steps)
    picture = ET.fromstring(svg(drawn))
    arrows = [path for path in picture.iter(f"{SVG}path") if path.get("class") == "arrow"]
    assert len(arrows) == wanted + len(answers)


def test_nothing_lies_outside_the_picture(drawn: Release) -> None:
    picture = ET.fromstring(svg(drawn))
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for box in picture.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert 0 <= x <= x + float(box.attrib["width"]) <= width
        assert 0 <= y <= y + float(box.attrib["height"]) <= height


def test_the_command_shows_and_writes_it(small_releases: Path, tmp_path: Path) -> None:
    out = tmp_path / "ensemble.svg"
    ended = CliRunner().invoke(
        app, ["show", "several", "--releases", str(small_releases), "--out", str(out)]
    )
    assert ended.exit_code == 0, ended.output
    assert "fusion" in ended.output
    assert ET.fromstring(out.read_text()).tag == f"{SVG}svg"
