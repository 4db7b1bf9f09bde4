"""CBIS-DDSM's downloads, old and new, with crops and masks under each other's names."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mammo.prepare import Preparation
from tests.training.datasets.written import dicom, film, mask, survives
from training.datasets import gallery, pixels
from training.datasets.oddities import Oddity
from training.datasets.outlines import Mask
from training.datasets.readers import cbis_ddsm
from training.datasets.record import Label, Record

COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id"),
    *("abnormality type", "mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
STEM = "Mass-Training_P_00001_LEFT_CC"


def write_table(
    folder: Path, rows: list[dict[str, str]], kind: str = "mass", part: str = "train"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{kind}_case_description_{part}_set.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def row(number: int = 1, stem: str = STEM, **changed: str) -> dict[str, str]:
    patient = stem.partition("_P_")[2][:5]
    return {
        "patient_id": f"P_{patient}",
        "breast_density": "3",
        "left or right breast": "LEFT",
        "image view": "CC",
        "abnormality id": str(number),
        "abnormality type": "mass",
        "mass shape": "OVAL",
        "mass margins": "ILL_DEFINED",
        "assessment": "4",
        "pathology": "MALIGNANT",
        "subtlety": "4",
        "image file path": f"{stem}/1.2.3/1.2.4/000000.dcm",
        "cropped image file path": f"{stem}_{number}/1.2.5/1.2.6/000000.dcm\n",
        "ROI mask file path": f"{stem}_{number}/1.2.5/1.2.6/000001.dcm\n",
    } | changed


def put(folder: Path, name: str, data: np.ndarray) -> None:  # type: ignore[type-arg]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(dicom(data))


def crop() -> np.ndarray:  # type: ignore[type-arg]
    return film()[100:130, 40:60]


def only(folder: Path) -> Record:
    (record,) = cbis_ddsm.read(folder).records
    return record


OLD = (f"{STEM}/1.2.3/1.2.4", f"{STEM}_1/1.2.5/1.2.6", "000000.dcm", "000001.dcm")
NEW = (
    f"CBIS-DDSM/{STEM}/08-07-2016-DDSM-NA-1/1.0-full mammogram images-2",
    f"CBIS-DDSM/{STEM}_1/08-07-2016-DDSM-NA-3/1.0-ROI mask images-4",
    "1-1.dcm",
    "1-2.dcm",
)


@pytest.mark.parametrize("layout", [OLD, NEW])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_mask_is_the_file_of_the_films_size(
    tmp_path: Path, layout: tuple[str, str, str, str], *, swapped: bool
) -> None:
    where_film, where_lesion, first, second = layout
    write_table(tmp_path, [row()])
    put(tmp_path, f"{where_film}/{first}", film())
    in_order = [crop(), mask()]
    for name, data in zip((first, second), in_order[:: -1 if swapped else 1], strict=True):
        put(tmp_path, f"{where_lesion}/{name}", data)
    record = only(tmp_path)
    assert record.size == (240, 160)
    outline = record.annotations[0].outline
    assert isinstance(outline, Mask)
    (contour,) = pixels.corners(outline)
    assert contour.min(axis=0).tolist() == [40.5, 100.5]
    assert contour.max(axis=0).tolist() == [59.5, 129.5]
    # Newer names say nothing, so there nothing can be swapped.
    assert (Oddity.MASK_SWAPPED in record.oddities) == (swapped and layout is OLD)
    assert cbis_ddsm.read(tmp_path).problems == ()


def test_a_mask_of_another_size_but_the_same_shape_is_named(tmp_path: Path) -> None:
    write_table(tmp_path, [row()])
    put(tmp_path, f"{OLD[0]}/000000.dcm", film())
    put(tmp_path, f"{OLD[1]}/000001.dcm", mask()[::2, ::2].copy())
    record = only(tmp_path)
    assert Oddity.MASK_RESIZED in record.oddities
    outline = record.annotations[0].outline
    assert isinstance(outline, Mask)
    assert np.array_equal(pixels.mask_pixels(outline), mask() > 0)  # in pixels of the film


def test_a_masks_outline_is_drawn_on_the_prepared_film(tmp_path: Path) -> None:
    write_table(tmp_path, [row()])
    put(tmp_path, f"{OLD[0]}/000000.dcm", film())
    put(tmp_path, f"{OLD[1]}/000001.dcm", mask())
    data = gallery.thumbnail(only(tmp_path), Preparation())
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert ((shown[..., 2] - shown[..., 1]) > 60).sum() > 100  # a malignant outline, on grey


def test_no_file_that_can_be_the_mask_is_named(tmp_path: Path) -> None:
    write_table(tmp_path, [row()])
    put(tmp_path, f"{OLD[0]}/000000.dcm", film())
    put(tmp_path, f"{OLD[1]}/000000.dcm", crop())
    record = only(tmp_path)
    assert Oddity.MASK_BROKEN in record.oddities
    assert record.annotations[0].outline is None
    assert record.annotations[0].label is Label.MALIGNANT  # kept, though it has no place


def test_a_broken_film_is_kept_and_named(tmp_path: Path) -> None:
    write_table(tmp_path, [row()])
    (tmp_path / OLD[0]).mkdir(parents=True)
    (tmp_path / OLD[0] / "000000.dcm").write_bytes(b"no DICOM")
    record = only(tmp_path)
    assert Oddity.FILE_UNREADABLE in record.oddities
    assert Oddity.MASK_MISSING in record.oddities


def test_one_film_in_two_collections_is_one_record(tmp_path: Path) -> None:
    calc = "Calc-Test_P_00001_LEFT_CC"
    write_table(tmp_path, [row(), row(2, pathology="BENIGN")])
    write_table(tmp_path, [row(stem=calc, **{"abnormality type": "calcification"})], "calc", "test")
    record = only(tmp_path)
    assert len(record.annotations) == 3
    wanted = {
        Oddity.FILM_TWICE,
        Oddity.VIEW_IN_BOTH_SPLITS,
        Oddity.SPLIT_LEAK,
        Oddity.PATHOLOGY_MIXED,
        Oddity.LINE_BREAK_IN_FIELD,
    }
    assert wanted <= set(record.oddities)


@pytest.mark.parametrize(
    "wrong",
    [{"left or right breast": "UP"}, {"patient_id": ""}, {"abnormality type": "?"}],
)
def test_a_row_that_cannot_be_read_is_listed(tmp_path: Path, wrong: dict[str, str]) -> None:
    write_table(tmp_path, [row(), row(2, **wrong), row(1)])
    read = cbis_ddsm.read(tmp_path)
    assert [p.code for p in read.problems] == [Oddity.ROW_BROKEN, Oddity.ROW_REPEATED]
    assert len(read.records) == 1


def test_a_file_that_no_row_names_is_listed(tmp_path: Path) -> None:
    write_table(tmp_path, [row()])
    put(tmp_path, "Mass-Training_P_00009_LEFT_CC/1/2/000000.dcm", film())
    (problem,) = cbis_ddsm.read(tmp_path).problems
    assert problem.code is Oddity.FILE_UNLISTED
    assert "P_00009" in problem.where


def test_no_damage_makes_the_reader_fall(tmp_path: Path) -> None:
    write_table(tmp_path, [row(), row(2, pathology="BENIGN")])
    put(tmp_path, f"{OLD[0]}/000000.dcm", film())
    put(tmp_path, f"{OLD[1]}/000001.dcm", mask())
    assert survives(cbis_ddsm.read, tmp_path) > 0
