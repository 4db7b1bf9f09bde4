"""`prepare` shows what a model sees of a file, DICOM or picture."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mammo import phantoms
from nightread.cli.app import app

BOX = [300.0, 500.0, 340.0, 560.0]


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)])


@pytest.fixture(scope="module")
def view() -> phantoms.PhantomImage:
    (plan,) = phantoms.plan(1, 23)
    return next(iter(phantoms.render(plan, phantoms.Resolution.WORKING)))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".pgm", ".tif"])
def test_a_picture_is_prepared_with_the_geometry_of_its_dicom(
    view: phantoms.PhantomImage, tmp_path: Path, suffix: str
) -> None:
    dicom, picture = tmp_path / "view.dcm", tmp_path / f"view{suffix}"
    dicom.write_bytes(phantoms.encode(view))
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    assert cv2.imwrite(str(picture), view.gray(), lossless)
    documents, tensors = [], []
    for path in (dicom, picture):
        out = path.with_suffix(f"{path.suffix}.npz")
        ended = prepare(path, "--out", out, "--json")
        assert ended.exit_code == 0, ended.output
        documents.append(json.loads(ended.stdout))
        tensors.append(np.load(out)["tensor"])
    assert documents[0]["geometry"] == documents[1]["geometry"]
    assert documents[0]["breast_box"] == documents[1]["breast_box"]
    assert (documents[1]["laterality"], documents[1]["voi"]) == (None, "")
    assert np.abs(tensors[0].astype(int) - tensors[1]).max() <= 1


def test_a_box_is_drawn_on_a_picture(view: phantoms.PhantomImage, tmp_path: Path) -> None:
    picture, boxes = tmp_path / "view.png", tmp_path / "boxes.json"
    assert cv2.imwrite(str(picture), view.gray())
    drawn = []
    for found in ([], [BOX]):
        boxes.write_text(json.dumps(found))
        ended = prepare(picture, "--out", tmp_path / "seen.png", "--boxes", boxes)
        assert ended.exit_code == 0, ended.output
        drawn.append(cv2.imread(str(tmp_path / "seen.png")))
    assert drawn[0].shape == drawn[1].shape
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize("name", ["broken.png", "text.dcm"])
def test_what_is_no_image_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    ended = CliRunner().invoke(app, ["prepare", str(path), "--out", str(tmp_path / "seen.png")])
    assert ended.exit_code != 0
    assert name in str(ended.exception)
    assert not (tmp_path / "seen.png").exists()
