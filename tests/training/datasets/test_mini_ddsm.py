"""mini-DDSM as it lies on disk: reduced films, masks beside them, DDSM's own overlays."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from nightread.cli.data import app
from tests.training.datasets.written import survives
from training.datasets import catalog, pixels
from training.datasets.collection import Collection, DatasetError
from training.datasets.oddities import Oddity
from training.datasets.outlines import bounds
from training.datasets.readers import mini_ddsm
from training.datasets.record import Label, Record

NATIVE, STORED = (800, 400), (200, 100)  # rows, columns
ICS = """ics_version 1.0
filename {name}
DATE_OF_STUDY 2 7 1995
PATIENT_AGE 61
FILM_TYPE REGULAR
DENSITY 3
DATE_DIGITIZED 7 22 1997
DIGITIZER LUMISYS LASER
SEQUENCE
LEFT_CC LINES 800 PIXELS_PER_LINE 400 BITS_PER_PIXEL 12 RESOLUTION 50 {overlay}
LEFT_MLO LINES 800 PIXELS_PER_LINE 400 BITS_PER_PIXEL 12 RESOLUTION 50 {overlay}
RIGHT_CC LINES 800 PIXELS_PER_LINE 400 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
RIGHT_MLO LINES 800 PIXELS_PER_LINE 400 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
"""
# From column 80, row 320: 79 steps right, 39 down, 79 left, 39 up.
CHAIN = f"80 320 {'2 ' * 79}{'4 ' * 39}{'6 ' * 79}{'0 ' * 39}#"
OVERLAY = f"""TOTAL_ABNORMALITIES 1
ABNORMALITY 1
LESION_TYPE MASS SHAPE IRREGULAR MARGINS SPICULATED
ASSESSMENT 5
SUBTLETY 4
PATHOLOGY {{pathology}}
TOTAL_OUTLINES 1
BOUNDARY
{CHAIN}
"""


def _picture(bits: int) -> np.ndarray:
    """A reduced film: tissue, and a lesion where the chain's pixels come to lie."""
    y, x = np.mgrid[: STORED[0], : STORED[1]]
    tissue = np.where((x / 90) ** 2 + ((y - 100) / 95) ** 2 < 1, 120, 0)
    tissue[80:90, 20:40] = 240
    return (tissue * 257).astype(np.uint16) if bits == 16 else tissue.astype(np.uint8)


def case(layout: Path, kind: str, name: str, pathology: str | None = None) -> Path:
    """A case with four films; both views of the left breast are marked if there is a pathology."""
    folder = layout / kind / name.split("-")[1]
    folder.mkdir(parents=True)
    overlay = "OVERLAY" if pathology else "NON_OVERLAY"
    (folder / f"{name}.ics").write_text(ICS.format(name=name, overlay=overlay))
    stem = name.replace("-", "_")
    (folder / f"TAPE_{stem}.COMB.16_PGM").write_bytes(b"P5\n")
    suffix, bits = (".png", 16) if "PNG" in layout.name else (".jpg", 8)
    for film in ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO"):
        cv2.imwrite(str(folder / f"{stem}.{film}{suffix}"), _picture(bits))
        if pathology and film.startswith("LEFT"):
            text = OVERLAY.format(pathology=pathology)
            (folder / f"{stem}.{film}.OVERLAY").write_text(text)
            for mask in ("_Mask", "_Mask2"):
                drawn = np.zeros(STORED, np.uint8)
                cv2.imwrite(str(folder / f"{stem}.{film}{mask}{suffix}"), drawn)
    return folder


@pytest.fixture(params=["PNG-16", "JPEG-8"])
def layout(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / f"MINI-DDSM-Complete-{request.param}"
    case(folder, "Normal", "A-2011-1")
    case(folder, "Benign", "B-3505-1", "BENIGN_WITHOUT_CALLBACK")
    case(folder, "Cancer", "C-0134-1", "MALIGNANT")
    return folder


def _films(collection: Collection) -> dict[str, Record]:
    return {record.image: record for record in collection.records}


def test_it_is_recognised_here_and_one_folder_above(tmp_path: Path, layout: Path) -> None:
    for folder in (layout, tmp_path):
        reader, read = catalog.read(folder)
        assert reader.name == "mini-ddsm"
        assert len(read.records) == 12  # masks are no films
        assert read.problems == ()
        assert read.patients == {"A-2011-1", "B-3505-1", "C-0134-1"}


def test_a_label_is_the_films_own_not_its_cases(layout: Path) -> None:
    films = _films(mini_ddsm.read(layout))
    assert films["C_0134_1.LEFT_CC"].label is Label.MALIGNANT
    assert films["C_0134_1.RIGHT_CC"].label is Label.NORMAL  # the other breast, under Cancer
    assert films["B_3505_1.LEFT_MLO"].label is Label.BENIGN
    assert films["A_2011_1.LEFT_CC"].label is Label.NORMAL
    assert {film.device for film in films.values()} == {"LUMISYS/A", "LUMISYS/B", "LUMISYS/C"}


def test_outlines_are_scaled_to_the_stored_film(layout: Path) -> None:
    film = _films(mini_ddsm.read(layout))["C_0134_1.LEFT_CC"]
    assert (film.size, film.native_size, film.spacing_um) == (STORED, NATIVE, 200.0)
    (mass,) = film.annotations
    assert mass.outline is not None
    # Middles of pixels 80 to 159 and 320 to 359, a quarter of them.
    assert bounds(mass.outline) == (20.125, 80.125, 39.875, 89.875)
    grey = pixels.gray(film)
    assert grey.shape == STORED
    assert grey[82:88, 22:38].min() > 200  # where the picture has its lesion
    assert grey[70:76, 22:38].max() < 160
    assert not film.oddities


def test_what_is_missing_or_foreign_is_named(layout: Path) -> None:
    folder = layout / "Cancer/0134"
    suffix = next(folder.glob("*RIGHT_CC.*")).suffix
    (folder / f"C_0134_1.RIGHT_CC{suffix}").unlink()
    for mask in folder.glob("C_0134_1.LEFT_MLO_Mask*"):
        mask.unlink()
    (folder / f"C_0134_1.RIGHT_CC_Mask{suffix}").write_bytes(b"")  # of a film that is not here
    (folder / f"preview{suffix}").write_bytes(b"")
    read = mini_ddsm.read(layout)
    films = _films(read)
    assert films["C_0134_1.RIGHT_CC"].oddities == (Oddity.FILE_MISSING,)
    assert films["C_0134_1.LEFT_MLO"].oddities == (Oddity.MASK_MISSING,)
    assert [(p.code, Path(p.where).stem) for p in read.problems] == [
        (Oddity.FILE_UNLISTED, "C_0134_1.RIGHT_CC_Mask"),
        (Oddity.FILE_UNLISTED, "preview"),
    ]


def test_a_case_in_another_folder_than_its_pathology_is_named(layout: Path) -> None:
    case(layout, "Benign", "D-4001-1", "MALIGNANT")
    case(layout, "Cancer", "D-4002-1", "UNPROVEN")  # nobody knows
    read = mini_ddsm.read(layout)
    assert [(p.code, p.where) for p in read.problems] == [(Oddity.CLASS_DIFFERS, "Benign/4001")]


def test_a_film_of_another_shape_has_lost_its_aspect(layout: Path) -> None:
    path = next((layout / "Normal/2011").glob("*LEFT_CC.*"))
    cv2.imwrite(str(path), np.zeros((128, 128), np.uint8))
    film = _films(mini_ddsm.read(layout))["A_2011_1.LEFT_CC"]
    assert film.oddities == (Oddity.ASPECT_LOST,)
    assert film.size == (128, 128)


def test_two_layouts_of_the_same_films_are_refused(tmp_path: Path) -> None:
    for name in ("MINI-DDSM-Complete-PNG-16", "MINI-DDSM-Complete-JPEG-8"):
        case(tmp_path / name, "Normal", "A-2011-1")
    with pytest.raises(DatasetError, match=r"JPEG-8, MINI-DDSM-Complete-PNG-16: name the folder"):
        catalog.read(tmp_path)


def test_the_page_shows_films_with_their_outlines(layout: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["check", str(layout), "--pixels", "--page", str(page)])
    assert done.exit_code == 0, done.output
    assert page.read_text().count("data:image/jpeg;base64,") == 12
    assert "OFF_TISSUE" not in done.stdout


def test_an_ics_without_pixels_names_no_film(layout: Path) -> None:
    path = layout / "Normal/2011/A-2011-1.ics"
    path.write_text(path.read_text().replace("LEFT_CC LINES 800", "LEFT_CC LINES 0"))
    read = mini_ddsm.read(layout)
    assert len(read.records) == 11
    assert Oddity.COUNT_DIFFERS in {p.code for p in read.problems}


def test_no_damage_makes_the_reader_fall(layout: Path) -> None:
    assert survives(mini_ddsm.read, layout, seeds=2) > 0
