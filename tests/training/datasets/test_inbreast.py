"""INbreast as it lies on disk: names for headers, property lists, a table with semicolons."""

import plistlib
from pathlib import Path

import pytest

from tests.training.datasets.written import dicom, film, survives
from training.datasets.collection import Collection
from training.datasets.oddities import Oddity
from training.datasets.outlines import DISC, Circle, Polygon
from training.datasets.readers import inbreast
from training.datasets.record import Label, Pattern, Record

TABLE = """Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads;Mass ;Micros
removed;removed;R;CC;201001;20586908;2;4c;X;
removed;removed;L;CC;201001;20586934;;1;;
removed;removed;R;MLO;201001;20586960.0;2;2;;X
removed;removed;L;MLO;201001;20586986;3;3;;
;;;;;;;;;
X means that there is such a finding;;;;;;;;;
"""
SQUARE = ["(50.0, 60.0)", "(70.5, 60.0)", "(70.5, 90.0)", "(50.0, 90.0)"]


def roi(name: str, points: list[str], announced: int | None = None) -> dict[str, object]:
    return {
        "Area": 1.0,
        "Name": name,
        "NumberOfPoints": len(points) if announced is None else announced,
        "Point_px": points,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "INbreast.csv").write_bytes(TABLE.encode("latin-1"))
    (tmp_path / "AllXML").mkdir()
    images = tmp_path / "AllDICOMs"
    images.mkdir()
    for name in (
        "20586908_6c613a14b80a8591_MG_R_CC_ANON",
        "20586934_6c613a14b80a8591_MG_L_CC_ANON",
        "20586960_6c613a14b80a8591_MG_R_ML_ANON",
    ):
        (images / f"{name}.dcm").write_bytes(dicom(film()))
    rois = [
        roi("Mass", SQUARE),
        roi("Espiculated Region", SQUARE),
        roi("Point 1", ["(10.0, 20.0)"]),
        roi("Calcification", ["(300.0, 20.0)", "(310.0, 20.0)", "(310.0, 40.0)"]),
        roi("Unheard of", SQUARE, announced=9),
        roi("Cluster", []),
    ]
    write(tmp_path, "20586908", rois)
    write(tmp_path, "99999999", rois)
    return tmp_path


def write(folder: Path, key: str, rois: list[dict[str, object]]) -> None:
    document = {"Images": [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]}
    (folder / f"AllXML/{key}.xml").write_bytes(plistlib.dumps(document))


def _by_key(collection: Collection) -> dict[str, Record]:
    return {record.image: record for record in collection.records}


def test_images_come_from_names_and_from_the_table(folder: Path) -> None:
    assert inbreast.recognises(folder)
    images = _by_key(inbreast.read(folder))
    assert set(images) == {"20586908", "20586934", "20586960", "20586986"}
    assert {images[k].patient for k in list(images)[:3]} == {"6c613a14b80a8591"}
    assert Oddity.FILE_MISSING in images["20586986"].oddities
    assert images["20586960"].view == "MLO"  # ML in the name
    assert Oddity.VIEW_FOLDED in images["20586960"].oddities
    assert images["20586908"].size == (240, 160)  # of the file, never a constant


def test_labels_are_by_birads(folder: Path) -> None:
    images = _by_key(inbreast.read(folder))
    labels = [images[k].label for k in sorted(images)]
    assert labels == [Label.MALIGNANT, Label.NORMAL, Label.BENIGN, Label.BENIGN]
    assert images["20586908"].birads is not None
    assert (images["20586908"].birads.written, images["20586908"].birads.number) == ("4c", 4)
    assert Oddity.DENSITY_MISSING in images["20586934"].oddities


def test_outlines_are_read_by_key_and_what_is_odd_is_named(folder: Path) -> None:
    image = _by_key(inbreast.read(folder))["20586908"]
    mass, point, calcification, other, empty = image.annotations  # the spicules are the mass's
    assert mass.outline == Polygon(((50.0, 60.0), (70.5, 60.0), (70.5, 90.0), (50.0, 90.0)))
    assert (mass.pattern, mass.label) == (Pattern.MASS, Label.MALIGNANT)
    assert point.outline == Circle(10.0, 20.0, DISC)
    assert point.pattern is Pattern.CALCIFICATION
    assert calcification.outline == Polygon(((160.0, 20.0), (160.0, 20.0), (160.0, 40.0)))
    assert other.pattern is Pattern.OTHER
    assert empty.outline is None
    assert set(image.oddities) == {
        Oddity.SPICULES_OF_MASS,
        Oddity.POINT_AS_DISC,
        Oddity.OUTLINE_CLIPPED,
        Oddity.KIND_UNKNOWN,
        Oddity.POINTS_DIFFER,
        Oddity.OUTLINE_BROKEN,
    }


def test_no_xml_is_no_finding(folder: Path) -> None:
    image = _by_key(inbreast.read(folder))["20586934"]
    assert image.annotations == ()
    assert Oddity.UNMARKED_LESION not in image.oddities


def test_footnotes_and_files_without_an_image_are_listed(folder: Path) -> None:
    problems = [(p.code, p.where) for p in inbreast.read(folder).problems]
    assert problems == [
        (Oddity.FOOTNOTE_ROW, "INbreast.csv:6"),
        (Oddity.FOOTNOTE_ROW, "INbreast.csv:7"),
        (Oddity.FILE_UNLISTED, "AllXML/99999999.xml"),
    ]


@pytest.mark.parametrize("content", [b"", b"<plist>", b"<?xml version='1.0'?><a/>", b"\0" * 20])
def test_a_broken_xml_is_listed_and_its_image_kept(folder: Path, content: bytes) -> None:
    (folder / "AllXML/20586908.xml").write_bytes(content)
    read = inbreast.read(folder)
    assert len(read.records) == 4
    assert (Oddity.ROW_BROKEN, "AllXML/20586908.xml") in [(p.code, p.where) for p in read.problems]


def test_a_missing_table_says_what_to_do(folder: Path) -> None:
    (folder / "INbreast.csv").unlink()
    read = inbreast.read(folder)
    assert "INbreast.xls" in read.problems[0].detail
    assert {r.label for r in read.records} == {None}


def test_no_damage_makes_the_reader_fall(folder: Path) -> None:
    assert survives(inbreast.read, folder) > 0
