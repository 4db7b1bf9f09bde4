"""What `nightread phantoms` writes is a data set like any other."""

import json
from pathlib import Path

import cv2
import pytest

from mammo import phantoms
from nightread import phantom_files as written
from tests.training.datasets.written import survives
from training.datasets import catalog, pixels
from training.datasets.oddities import Oddity
from training.datasets.outlines import Mask
from training.datasets.readers import phantom_files
from training.datasets.record import Label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first study with a lesion of a set, as the command writes it."""
    out = tmp_path_factory.mktemp("phantoms")
    index = next(p.index for p in phantoms.plan(8, 3) if p.label != "normal")
    truth = [written.write_study(out, index, 8, 3)]
    (out / written.TRUTH).write_text(json.dumps(truth))
    return out


def test_a_written_study_is_read_whole(folder: Path) -> None:
    reader, read = catalog.read(folder)
    assert reader.name == phantom_files.NAME
    assert read.problems == ()
    assert len(read.records) == 4
    assert len(read.patients) == 1
    assert {r.label for r in read.records} & {Label.BENIGN, Label.MALIGNANT}
    assert not read.oddities()


def test_a_masks_contour_fills_the_box_of_the_truth(folder: Path) -> None:
    lesions = [a for r in phantom_files.read(folder).records for a in r.annotations]
    assert lesions
    for lesion in lesions:
        assert isinstance(lesion.outline, Mask)
        assert lesion.outline.box is not None
        mask = pixels.mask_pixels(lesion.outline)
        x, y, width, height = cv2.boundingRect(mask)
        assert (x, y, x + width, y + height) == pytest.approx(lesion.outline.box, abs=1.5)


def test_a_lost_mask_and_a_lost_file_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text((folder / "truth.json").read_text())
    found = phantom_files.read(tmp_path).oddities()
    assert found[Oddity.FILE_MISSING] == 4
    assert found[Oddity.MASK_MISSING] > 0


def test_no_damage_makes_the_reader_fall(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text((folder / "truth.json").read_text())
    assert survives(phantom_files.read, tmp_path) > 0
