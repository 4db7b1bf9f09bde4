"""DDSM's cases as they lie on disk, with every trap that is known of them."""

import gzip
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from mammo.prepare import Preparation, prepare_gray
from nightread.cli.data import app
from tests.training.datasets.written import survives
from training.datasets.collection import DatasetError
from training.datasets.oddities import Oddity
from training.datasets.outlines import Polygon, bounds
from training.datasets.pixels import gray, prepared
from training.datasets.readers import ddsm, ddsm_pixels
from training.datasets.readers.ddsm_overlay import OverlayError, parse_chain, parse_overlay
from training.datasets.record import Label, Pattern, Record

ICS = """ics_version 1.0
filename {name}
DATE_OF_STUDY 2 7 1995
PATIENT_AGE {age}
FILM
FILM_TYPE REGULAR
DENSITY {density}
DATE_DIGITIZED 7 22 1997
DIGITIZER {digitizer}
SEQUENCE
LEFT_CC LINES 40 PIXELS_PER_LINE 20 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY
LEFT_MLO LINES 40 PIXELS_PER_LINE 20 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY
RIGHT_CC LINES 40 PIXELS_PER_LINE 20 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
RIGHT_MLO LINES 40 PIXELS_PER_LINE 20 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
"""
OVERLAY = """TOTAL_ABNORMALITIES 2
ABNORMALITY 1
LESION_TYPE MASS SHAPE IRREGULAR MARGINS SPICULATED
LESION_TYPE CALCIFICATION TYPE PLEOMORPHIC DISTRIBUTION CLUSTERED
ASSESSMENT 5
SUBTLETY 4
PATHOLOGY MALIGNANT
TOTAL_OUTLINES 2
BOUNDARY
5 6 2 2 2 4 4 6 6 6 0 0 #
\tCORE
6 7 2 4 6 0 #
ABNORMALITY 2
LESION_TYPE CALCIFICATION TYPE PUNCTATE DISTRIBUTION CLUSTERED
ASSESSMENT
SUBTLETY 3
PATHOLOGY UNPROVEN
TOTAL_OUTLINES 1
BOUNDARY
18 38 2 2 4 4 6 6 0 0 #
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "cases/cancers/cancer_01/case1234"
    folder.mkdir(parents=True)
    text = ICS.format(name="B-1234-1", age=61, density=3, digitizer="LUMISYS LASER")
    (folder / "B-1234-1.ics").write_text(text)
    (folder / "B_1234_1.LEFT_CC.OVERLAY").write_text(OVERLAY)
    levels = np.linspace(0, 4095, 800).astype(">u2")
    (folder / "B_1234_1.LEFT_CC.LJPEG.1").write_bytes(levels.tobytes())
    (folder / "B_1234_1.RIGHT_CC.LJPEG").write_bytes(b"\xff\xd8\xff")
    return folder


def _films(root: Path) -> dict[str, Record]:
    return {r.image.partition(".")[2]: r for r in ddsm.read(root).records}


def test_a_case_is_four_films_of_one_patient(tmp_path: Path, case: Path) -> None:
    assert ddsm.recognises(tmp_path)
    films = _films(tmp_path)
    assert set(films) == {"LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO"}
    assert {r.patient for r in films.values()} == {"B-1234-1"}
    film = films["LEFT_CC"]
    assert (film.size, film.spacing_um, film.age, film.device) == ((40, 20), 50.0, 61, "LUMISYS/B")
    assert film.density is not None
    assert film.density.value == "3"


def test_labels_are_the_worst_pathology_or_normal_where_nothing_is_drawn(
    tmp_path: Path, case: Path
) -> None:
    films = _films(tmp_path)
    assert films["LEFT_CC"].label is Label.MALIGNANT
    assert films["RIGHT_CC"].label is Label.NORMAL
    assert films["LEFT_MLO"].label is None  # its overlay is lost: nobody knows
    assert Oddity.OVERLAY_MISSING in films["LEFT_MLO"].oddities


def test_the_outer_outline_counts_and_all_else_is_named(tmp_path: Path, case: Path) -> None:
    film = _films(tmp_path)["LEFT_CC"]
    mass, cluster = film.annotations
    assert mass.outline is not None
    assert bounds(mass.outline) == (5.5, 6.5, 8.5, 8.5)
    assert (mass.pattern, mass.label) == (Pattern.MASS, Label.MALIGNANT)
    assert "MASS SHAPE IRREGULAR MARGINS SPICULATED" in mass.descriptors
    assert cluster.outline is not None
    assert bounds(cluster.outline) == (18.5, 38.5, 20.0, 40.0)  # two steps over the edge
    assert cluster.label is None
    assert {
        Oddity.OUTLINES_SEVERAL,
        Oddity.KINDS_SEVERAL,
        Oddity.UNPROVEN,
        Oddity.BIRADS_MISSING,
        Oddity.OUTLINE_CLIPPED,
    } == set(film.oddities)


def test_files_that_are_missing_or_no_lossless_jpeg_are_named(tmp_path: Path, case: Path) -> None:
    films = _films(tmp_path)
    assert Oddity.FILE_MISSING in films["LEFT_MLO"].oddities
    assert Oddity.FILE_NOT_DECODED in films["RIGHT_CC"].oddities
    with pytest.raises(DatasetError, match="jpeg -d -s"):
        gray(films["RIGHT_CC"])


def _film(bits: int = 12) -> NDArray[np.uint16]:
    """A disc of tissue on a film's dark, 40 rows and 20 columns of grey levels."""
    y, x = np.mgrid[:40, :20]
    rng = np.random.default_rng(bits)
    inside = (x / 16) ** 2 + ((y - 20) / 18) ** 2 < 1
    top = (1 << bits) - 1
    noise = rng.integers(0, top // 20, (40, 20))
    return np.where(inside, top - noise, noise).astype(np.uint16)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("digitizer", "site", "bits"), [("LUMISYS", "B", 12), ("DBA", "A", 16)])
def test_a_film_is_decoded_as_its_raw_file_is_read(
    tmp_path: Path, digitizer: str, site: str, bits: int, turned: bool, zipped: bool
) -> None:
    name = f"{site}-0007-1"
    text = ICS.format(name=name, age=50, density=2, digitizer=f"{digitizer} SCANNER")
    text = text.replace("BITS_PER_PIXEL 12", f"BITS_PER_PIXEL {bits}")
    (tmp_path / f"{name}.ics").write_text(text)
    stem, film = name.replace("-", "_"), _film(bits)
    (tmp_path / f"{stem}.LEFT_CC.LJPEG.1").write_bytes(film.astype(">u2").tobytes())
    stored = film.reshape(20, 40) if turned else film  # of the same order, by the wrong width
    data = bytes(imagecodecs.ljpeg_encode(stored, bitspersample=bits))
    path = tmp_path / f"{stem}.RIGHT_CC.LJPEG{'.gz' if zipped else ''}"
    path.write_bytes(gzip.compress(data) if zipped else data)
    films = _films(tmp_path)
    assert (Oddity.SIZE_SWAPPED in films["RIGHT_CC"].oddities) is turned
    assert Oddity.FILE_NOT_DECODED not in films["RIGHT_CC"].oddities
    shown = gray(films["RIGHT_CC"])
    assert np.array_equal(shown, gray(films["LEFT_CC"]))
    wanted = 255 * (1 - ddsm_pixels.optical_density(film, f"{digitizer}/{site}") / 4)
    assert np.array_equal(shown, np.rint(wanted).astype(np.uint8))


def test_the_page_shows_compressed_films_as_models_see_them(tmp_path: Path, case: Path) -> None:
    y, x = np.mgrid[:400, :200]
    inside = (x / 160) ** 2 + ((y - 200) / 180) ** 2 < 1
    film = np.where(inside, 2500 + 3 * x, 300).astype(np.uint16)
    text = ICS.format(name="B-1234-1", age=61, density=3, digitizer="LUMISYS LASER")
    text = text.replace("LINES 40 PIXELS_PER_LINE 20", "LINES 400 PIXELS_PER_LINE 200")
    (case / "B-1234-1.ics").write_text(text)
    (case / "B_1234_1.LEFT_CC.LJPEG.1").unlink()
    data = bytes(imagecodecs.ljpeg_encode(film, bitspersample=12))
    (case / "B_1234_1.LEFT_CC.LJPEG").write_bytes(data)
    (case / "B_1234_1.RIGHT_CC.LJPEG").unlink()
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["check", str(tmp_path), "--pixels", "--page", str(page)])
    assert done.exit_code == 0, done.output
    assert page.read_text().count("data:image/jpeg;base64,") == 1
    record = _films(tmp_path)["LEFT_CC"]
    preparation = Preparation(height=256, width=160)
    found = prepared(record, preparation)
    wanted = prepare_gray(gray(record), preparation, record.laterality)
    assert np.array_equal(found.tensor, wanted.tensor)
    assert found.geometry == wanted.geometry
    assert found.tensor.max() > 100  # there is a breast on it


@pytest.mark.parametrize("damage", ["cut", "noise", "other size", "two channels"])
def test_a_damaged_film_is_one_sentence(tmp_path: Path, case: Path, damage: str) -> None:
    data = bytes(imagecodecs.ljpeg_encode(_film(), bitspersample=12))
    rng = np.random.default_rng(1)
    broken = {
        "cut": data[: len(data) // 2],
        "noise": data[:120] + rng.integers(0, 255, 400, np.uint8).tobytes(),
        "other size": bytes(imagecodecs.ljpeg_encode(_film()[:20], bitspersample=12)),
        "two channels": bytes(imagecodecs.jpeg8_encode(np.zeros((40, 20, 3), np.uint8))),
    }
    (case / "B_1234_1.RIGHT_CC.LJPEG").write_bytes(broken[damage])
    with pytest.raises(DatasetError, match=r"B_1234_1.RIGHT_CC.LJPEG.*(jpeg -d -s|of the .ics)"):
        gray(_films(tmp_path)["RIGHT_CC"])


def test_a_gzipped_case_is_read_alike(tmp_path: Path, case: Path) -> None:
    plain = ddsm.read(tmp_path).records
    for name in ("B-1234-1.ics", "B_1234_1.LEFT_CC.OVERLAY"):
        (case / f"{name}.gz").write_bytes(gzip.compress((case / name).read_bytes()))
        (case / name).unlink()
    assert ddsm.read(tmp_path).records == plain


def test_empty_age_and_density_are_named(tmp_path: Path) -> None:
    text = ICS.format(name="C-0001-1", age="", density="", digitizer="SCANNER 9")
    (tmp_path / "C-0001-1.ics").write_text(text)
    film = ddsm.read(tmp_path).records[0]
    assert (film.age, film.density) == (None, None)
    wanted = {Oddity.AGE_MISSING, Oddity.DENSITY_MISSING, Oddity.DEVICE_UNKNOWN}
    assert wanted <= set(film.oddities)


@pytest.mark.parametrize("content", [b"", b"\xff\x00" * 40, b"filename ../../etc\nSEQUENCE\n"])
def test_what_is_no_case_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ics").write_bytes(content)
    (tmp_path / "y.ics.gz").write_bytes(content)  # no gzip either
    read = ddsm.read(tmp_path)
    assert read.records == ()
    assert [p.code for p in read.problems] == [Oddity.ROW_BROKEN] * 2


def test_a_broken_overlay_is_listed_and_its_film_kept(tmp_path: Path, case: Path) -> None:
    (case / "B_1234_1.LEFT_CC.OVERLAY").write_text("nothing of the kind")
    read = ddsm.read(tmp_path)
    assert len(read.records) == 4
    assert [(p.code, p.where) for p in read.problems] == [
        (Oddity.ROW_BROKEN, "B_1234_1.LEFT_CC.OVERLAY")
    ]


@given(st.text())
def test_no_text_makes_the_overlay_reader_fall(text: str) -> None:
    try:
        parse_overlay(text)
    except OverlayError:
        return


@given(st.integers(0, 5000), st.integers(0, 5000), st.lists(st.integers(0, 7), min_size=2))
def test_a_chain_that_is_written_is_read(column: int, row: int, codes: list[int]) -> None:
    drawn = parse_chain(f"{column} {row} {' '.join(map(str, codes))} #")
    assert isinstance(drawn, Polygon)
    assert drawn.points[0] == (column + 0.5, row + 0.5)
    assert len(drawn.points) == len(codes) + 1


@pytest.mark.parametrize("line", ["", "#", "5 6 8 8 #", "5 6 12 3 #", "5 x 1 1 #", "5 6 ١ ٢ #"])
def test_what_is_no_chain_is_none(line: str) -> None:
    assert parse_chain(line) is None


@pytest.mark.parametrize(
    ("device", "level", "density"),
    [  # by hand from the formulas
        ("DBA/A", 64063, 0.0),  # 10 ** 4.80662
        ("DBA/A", 0, 4.0),  # log10(1) gives 4.469, clipped
        ("DBA/A", 5384, 1.0),  # 10 ** (4.80662 - 1.07553)
        ("HOWTEK/A", 1000, 2.84332),
        ("HOWTEK/D", 1000, 2.97548),
        ("LUMISYS/B", 3088, 0.99998),
        ("LUMISYS/C", 0, 4.0),
    ],
)
def test_optical_density_is_that_of_the_formulas(device: str, level: int, density: float) -> None:
    found = ddsm_pixels.optical_density(np.array([[level]], np.uint16), device)
    assert found[0, 0] == pytest.approx(density, abs=2e-4)


@pytest.mark.parametrize("device", ddsm_pixels.CALIBRATED)
def test_brighter_is_less_dense_for_every_digitiser(device: str) -> None:
    levels = np.linspace(0, 4095, 200).astype(np.uint16)[None]
    assert (np.diff(ddsm_pixels.optical_density(levels, device)[0]) <= 0).all()


def test_raw_pixels_are_big_endian_and_tissue_is_bright(tmp_path: Path, case: Path) -> None:
    picture = gray(_films(tmp_path)["LEFT_CC"])
    assert picture.shape == (40, 20)
    assert (picture[0, 0], picture[-1, -1]) == (0, 255)  # density 4 and 0
    assert (np.diff(picture.ravel().astype(int)) >= 0).all()


def test_a_raw_file_of_another_size_says_so(tmp_path: Path, case: Path) -> None:
    (case / "B_1234_1.LEFT_CC.LJPEG.1").write_bytes(bytes(100))
    film = _films(tmp_path)["LEFT_CC"]
    assert Oddity.SIZE_DIFFERS in film.oddities
    with pytest.raises(DatasetError, match="100 bytes, not the 40 x 20"):
        gray(film)


def test_no_damage_makes_the_reader_fall(tmp_path: Path, case: Path) -> None:
    assert survives(ddsm.read, tmp_path) > 0
