"""BCDR's subsets as they are handed out: blanks everywhere, two codings of the view."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.datasets.written import survives
from training.datasets.collection import Collection
from training.datasets.oddities import Oddity
from training.datasets.outlines import Polygon, bounds
from training.datasets.readers import bcdr
from training.datasets.record import Label, Modality, Pattern, Record

HEAD = (
    "patient_id,study_id,series,lesion_id,segmentation_id,image_view,image_filename,"
    "lw_x_points,lw_y_points,mammography_type,mammography_nodule,mammography_calcification,"
    "mammography_microcalcification,mammography_axillary_adenopathy,"
    "mammography_architectural_distortion,mammography_stroma_distortion,age,density,classification\n"
)
LONG = 60_000  # points: a field of more than csv's own limit of 131,072 characters


def row(name: str, view: int, xs: str, ys: str, rest: str) -> str:
    _, patient, study, *_ = name.split("_")
    return f"{patient},{study},1,7,9,{view}, {name}, {xs}, {ys},2,{rest}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    turn = np.linspace(0, 2 * np.pi, LONG)
    xs, ys = (" ".join(f"{v:.0f}" for v in 60 + 20 * f(turn)) for f in (np.cos, np.sin))
    table = HEAD
    table += row("img_5_9_1_LCC.tif", 2, xs, ys, "1,0,0,0,0,0,61, 2, Malign")
    table += row("img_5_10_1_LO.tif", 4, "10 20 20", "10 10 30", "0,0,1,0,0,0,62, NaN, Benign")
    table += row("img_6_11_1_RCC.tif", 3, "10 20 20 7", "10 10 30", "1,0,1,0,0,0,50, 9, ")
    table += row("img_6_11_1_RO.tif", 3, "", "", "1,0,0,0,0,0,50, 1, Benign")
    table += row("scan_1_2_3_RO.tif", 3, "1 2 3", "1 2 3", "1,0,0,0,0,0,50, 1, Benign")
    (tmp_path / "bcdr_d01_outlines.csv").write_text(table)
    for name, size in (
        ("patient_5/study_9/img_5_9_1_LCC.tif", (120, 90)),
        ("patient_5/study_10/img_5_10_1_LO.tif", (120, 90)),
        ("patient_6/study_11/img_6_11_1_RCC.tif", (25, 15)),
        ("patient_7/study_12/img_7_12_1_RO.tif", (120, 90)),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full(size, 90, np.uint8))
    return tmp_path


def _images(collection: Collection) -> dict[str, Record]:
    return {record.image.removeprefix("img_"): record for record in collection.records}


def test_rows_and_files_make_the_images(folder: Path) -> None:
    assert bcdr.recognises(folder)
    read = bcdr.read(folder)
    images = _images(read)
    assert set(images) == {"5_9_1_LCC", "5_10_1_LO", "6_11_1_RCC", "6_11_1_RO", "7_12_1_RO"}
    assert [p.code for p in read.problems] == [Oddity.ROW_BROKEN]  # scan_1_2_3_RO.tif
    assert Oddity.FILE_MISSING in images["6_11_1_RO"].oddities
    assert Oddity.ENTRY_MISSING in images["7_12_1_RO"].oddities
    assert images["5_9_1_LCC"].modality is Modality.DIGITAL


def test_an_outline_of_many_points_is_read_whole(folder: Path) -> None:
    lesion = _images(bcdr.read(folder))["5_9_1_LCC"].annotations[0]
    assert isinstance(lesion.outline, Polygon)
    assert len(lesion.outline.points) == LONG
    assert bounds(lesion.outline) == (40.0, 40.0, 80.0, 80.0)
    assert (lesion.label, lesion.pattern) == (Label.MALIGNANT, Pattern.MASS)


def test_views_come_from_the_name(folder: Path) -> None:
    images = _images(bcdr.read(folder))
    assert (images["5_10_1_LO"].laterality, images["5_10_1_LO"].view) == ("L", "MLO")
    assert Oddity.VIEW_CODE_DIFFERS not in images["5_10_1_LO"].oddities  # 4 is LO
    assert Oddity.VIEW_CODE_DIFFERS in images["6_11_1_RCC"].oddities  # 3 is RO


def test_a_patient_with_two_studies_stays_one_patient(folder: Path) -> None:
    images = _images(bcdr.read(folder))
    assert images["5_9_1_LCC"].patient == images["5_10_1_LO"].patient == "5"
    assert Oddity.STUDIES_SEVERAL in images["5_9_1_LCC"].oddities
    assert Oddity.STUDIES_SEVERAL not in images["6_11_1_RCC"].oddities


def test_each_repair_is_named(folder: Path) -> None:
    images = _images(bcdr.read(folder))
    assert {
        Oddity.POINTS_DIFFER,
        Oddity.OUTLINE_CLIPPED,
        Oddity.KINDS_SEVERAL,
        Oddity.PATHOLOGY_MISSING,
        Oddity.VALUE_OUT_OF_SCALE,
        Oddity.NAME_TRIMMED,
    } <= set(images["6_11_1_RCC"].oddities)
    assert Oddity.DENSITY_MISSING in images["5_10_1_LO"].oddities
    assert Oddity.OUTLINE_BROKEN in images["6_11_1_RO"].oddities


def test_images_of_the_normal_subset_are_normal(tmp_path: Path) -> None:
    (tmp_path / "bcdr_dn01_img.csv").write_text(
        "patient_id,study_id,series,image_filename,image_view,age,density\n"
        "3,4,1,img_3_4_1_LO.tif,3,55,2\n"  # from 0: LMLO
    )
    (image,) = bcdr.read(tmp_path).records
    assert (image.label, image.view) == (Label.NORMAL, "MLO")
    assert Oddity.VIEW_CODE_DIFFERS not in image.oddities


def test_the_field_limit_of_csv_is_left_as_it_was(folder: Path) -> None:
    before = csv.field_size_limit()
    bcdr.read(folder)
    assert csv.field_size_limit() == before


def test_no_damage_makes_the_reader_fall(folder: Path) -> None:
    assert survives(bcdr.read, folder) > 0
