"""The folders of shared data, made small and broken on purpose."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import Workbook

from tests.training.datasets.written import survives
from training.datasets import catalog
from training.datasets.collection import Collection, DatasetError
from training.datasets.oddities import Oddity
from training.datasets.outlines import Circle, Polygon
from training.datasets.readers import cdd_cesm

MASS_800 = (
    "image,file,patient,laterality,view,kind,age,density,birads,label,findings,tags,split,width,"
    "height,native_width,native_height,stretched,chest_wall_side,side_agrees,label_mass,label_calc,"
    "n_calc_rows,sha256,n_lesions\n"
    "a,images/a.png,P_1,L,CC,film,,3,4,M,,,train,20,30,,,1,left,1,M,,0,,1\n"
    "b,images/b.png,P_2,X,CC,film,,3,4,M,,,train,20,30,,,1,left,1,M,,0,,1\n"
    "c,images/c.png,P_3,R,CC,film,,3,4,B,,,test,20,30,,,1,left,1,B,,0,,1\n"
)
BOX = {
    "file": "images/a.png",
    "bbox": [1, 2, 3, 4],
    "row_match": "only",
    "pathology": "M",
    "pathology_raw": "MALIGNANT",
    "assessment": 4,
    "mass_shape": "OVAL",
    "mass_margins": None,
}
SHEET = (
    *("Image_name", "Patient_ID", "Side", "Type", "Age", "Breast density (ACR)", "BIRADS"),
    *("Findings", "View", "Tags", "Machine", "Pathology Classification/ Follow up"),
)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels.csv").write_text(MASS_800)
    (tmp_path / "lesions.jsonl").write_text(json.dumps(BOX) + "\n{broken\n")
    for name, size in (("a", (30, 20)), ("z", (30, 20))):
        cv2.imwrite(str(tmp_path / f"images/{name}.png"), np.zeros(size, np.uint8))
    return tmp_path


@pytest.fixture
def cesm(tmp_path: Path) -> Path:
    book = Workbook()
    sheet = book.active
    sheet.title = "all"
    sheet.append(SHEET)
    for name, kind, grade, label in (
        ("P1_L_DM_MLO ", "DM", "3$2", "Benign"),
        ("P1_L_CM_MLO", "CESM", 1, "Normal"),
        ("P1_L_DM_MLO_2", "DM", 4, "Malignant"),
        ("P1_L_DM_MLO", "DM", 2, "Benign"),
        ("a note at the end", "", "", ""),
    ):
        sheet.append((name, 1, "L", kind, 46, "_", grade, "", "MLO", "", 1, label))
    book.save(tmp_path / "annotations.xlsx")
    shapes = [
        {"name": "circle", "cx": 10, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 10, "cy": 20, "rx": 5, "ry": 3, "theta": 0.5},
        {"name": "polyline", "all_points_x": [1, 2, 3], "all_points_y": [1, 5, 1]},
        {"name": "point", "cx": 4, "cy": 5},
        {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 5]},
        {},
    ]
    lines = ["#filename,region_shape_attributes"]
    for shape in shapes:
        quoted = json.dumps(shape).replace('"', '""')
        lines.append(f'P1_L_DM_MLO.jpg,"{quoted}"')
    lines += ['P9_L_DM_CC.jpg,"{""name"":""point"",""cx"":1,""cy"":1}"', 'P1_L_CM_MLO.jpg,"[1"']
    (tmp_path / "segmentations.csv").write_text("\n".join(lines))
    return tmp_path


def _problems(read: Collection) -> list[tuple[Any, str]]:
    return [(problem.code, problem.where) for problem in read.problems]


def test_a_broken_row_is_listed_and_the_others_are_read(films: Path) -> None:
    _, read = catalog.read(films)
    assert [record.image for record in read.records] == ["a", "c"]
    assert _problems(read) == [
        (Oddity.ROW_BROKEN, "lesions.jsonl:2"),
        (Oddity.ROW_BROKEN, "labels.csv:3"),
        (Oddity.FILE_UNLISTED, "images/z.png"),
    ]
    assert read.records[1].oddities[0] is Oddity.FILE_MISSING


def test_a_file_of_another_size_is_named(films: Path) -> None:
    cv2.imwrite(str(films / "images/a.png"), np.zeros((31, 20), np.uint8))
    record = catalog.read(films)[1].records[0]
    assert Oddity.SIZE_DIFFERS in record.oddities
    assert record.size == (31, 20)  # the file's own


def test_no_damage_makes_the_reader_of_labels_fall(films: Path) -> None:
    reader = catalog.recognise(films)
    assert survives(reader.read, films) > 0


def test_pairs_names_and_compounds_are_read_as_they_are_meant(cesm: Path) -> None:
    _, read = catalog.read(cesm)
    first, partner, again = read.records
    assert (first.image, first.birads and first.birads.number) == ("P1_L_DM_MLO", 3)
    assert partner.modality == "subtracted"
    assert {Oddity.NAME_TRIMMED, Oddity.BIRADS_COMPOUND, Oddity.LABEL_PAIR_DIFFERS} <= set(
        first.oddities
    )
    assert Oddity.REPEATED_VIEW in again.oddities
    assert Oddity.UNMARKED_LESION in again.oddities


def test_every_shape_of_via_is_read(cesm: Path) -> None:
    first = catalog.read(cesm)[1].records[0]
    circle, oval, line, point, broken = (a.outline for a in first.annotations)
    assert circle == Circle(10.0, 20.0, 5.0)
    assert isinstance(oval, Polygon)
    assert line == Polygon(((1.0, 1.0), (2.0, 5.0), (3.0, 1.0)))
    assert isinstance(point, Circle)
    assert broken is None  # three x and two y
    assert {
        Oddity.SHAPE_AS_POLYGON,
        Oddity.POLYLINE_CLOSED,
        Oddity.POINT_AS_DISC,
        Oddity.OUTLINE_BROKEN,
    } <= set(first.oddities)


def test_what_belongs_to_no_image_is_listed(cesm: Path) -> None:
    assert _problems(catalog.read(cesm)[1]) == [
        (Oddity.ROW_BROKEN, "segmentations.csv:9"),
        (Oddity.ROW_REPEATED, "annotations.xlsx:5"),
        (Oddity.FOOTNOTE_ROW, "annotations.xlsx:6"),
        (Oddity.ROW_BROKEN, "segmentations.csv: P9_L_DM_CC"),
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no workbook"])
def test_a_broken_spreadsheet_is_one_sentence(cesm: Path, content: bytes) -> None:
    (cesm / "annotations.xlsx").write_bytes(content)
    with pytest.raises(DatasetError, match=r"annotations\.xlsx cannot be read"):
        cdd_cesm.read(cesm)


def test_no_damage_makes_the_reader_of_regions_fall(cesm: Path) -> None:
    assert survives(cdd_cesm.read, cesm) > 0
