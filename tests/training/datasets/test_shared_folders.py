"""Each folder of shared data is recognised and read as its README counts it."""

from collections import Counter
from pathlib import Path

import pytest

from training.datasets import catalog
from training.datasets.collection import Collection
from training.datasets.oddities import Oddity
from training.datasets.outlines import bounds
from training.datasets.record import Label, Split

FOLDERS = {
    "cbis-ddsm-mass-800": "cbis-ddsm-mass-800",
    "cbis-ddsm-csv": "cbis-ddsm",
    "cdd-cesm": "cdd-cesm",
    "cdd-cesm/annotations": "cdd-cesm-original",
    "ddsm-mlo-tissue": "ddsm-mlo-tissue",
    "mini-mias": "mini-mias",
}


@pytest.fixture(scope="module")
def data(shared: Path) -> dict[str, Collection]:
    return {name: catalog.read(shared / "data" / name)[1] for name in FOLDERS}


def test_every_folder_with_a_readme_is_recognised(shared: Path) -> None:
    folders = {path.parent for path in (shared / "data").glob("*/README.md")}
    assert folders == {shared / "data" / name for name in FOLDERS if "/" not in name}
    for name, data_set in FOLDERS.items():
        assert catalog.recognise(shared / "data" / name).name == data_set


@pytest.mark.parametrize("name", [n for n in FOLDERS if n != "mini-mias"])
def test_all_that_was_published_is_counted_here(data: dict[str, Collection], name: str) -> None:
    reader = next(r for r in catalog.READERS if r.name == FOLDERS[name])
    assert reader.published
    for one in reader.published:
        assert one.count(data[name]) == one.number, one.what


def test_every_file_is_a_record_and_none_is_odd(data: dict[str, Collection]) -> None:
    for name in ("cbis-ddsm-mass-800", "cdd-cesm", "ddsm-mlo-tissue", "mini-mias"):
        assert all(record.file for record in data[name].records), name
        assert data[name].problems == ()
        files = {Oddity.SIZE_DIFFERS, Oddity.FILE_UNREADABLE}
        assert not files & set(data[name].oddities()), name
        images = [record.image for record in data[name].records]
        assert len(images) == len(set(images))


def test_mini_mias_counts_are_those_of_its_readme(data: dict[str, Collection]) -> None:
    films = data["mini-mias"]
    assert (len(films.records), len(films.patients)) == (258, 129)
    assert Counter(r.label for r in films.records) == {"N": 165, "B": 51, "M": 42}
    rows = [a for r in films.records for a in r.annotations]
    assert Counter(a.label for a in rows) == {"B": 56, "M": 44}
    assert sum(a.outline is not None for a in rows) == 97
    assert Counter(r.laterality for r in films.records) == {"L": 129, "R": 129}


def test_mini_mias_origin_lies_at_the_bottom(data: dict[str, Collection]) -> None:
    (film,) = [r for r in data["mini-mias"].records if r.image == "mdb001"]
    # 535 425 197 in Info.txt; 1024 - 425 = 599 from the top.
    assert film.annotations[0].outline is not None
    assert bounds(film.annotations[0].outline) == (338.0, 402.0, 732.0, 796.0)


def test_a_film_with_two_kinds_of_lesion_keeps_both(data: dict[str, Collection]) -> None:
    there = {r.image: r for r in data["mini-mias"].records}
    several = {name: len(r.annotations) for name, r in there.items() if len(r.annotations) > 1}
    assert several
    assert set(several) <= {f"mdb{n:03d}" for n in (5, 132, 144, 223, 226, 239, 249)}
    if "mdb144" in there:  # one benign, one malignant mass
        assert there["mdb144"].label is Label.MALIGNANT
        assert Oddity.PATHOLOGY_MIXED in there["mdb144"].oddities


def test_lesions_without_a_place_are_kept_and_named(data: dict[str, Collection]) -> None:
    lost = {r.image for r in data["mini-mias"].records if Oddity.PLACE_UNKNOWN in r.oddities}
    assert lost == {"mdb059", "mdb216", "mdb245"}


def test_cbis_ddsm_odd_entries_are_those_that_were_measured(data: dict[str, Collection]) -> None:
    found = data["cbis-ddsm-csv"].oddities()
    assert found[Oddity.FILM_TWICE] == 71
    assert found[Oddity.MASK_APART] == 104
    assert found[Oddity.BIRADS_ZERO] == 129 + 33 + 63 + 13
    assert found[Oddity.DESCRIPTOR_MISSING] == 4 + 43 + 17 + 20 + 4 + 376 + 63
    assert found[Oddity.VALUE_OUT_OF_SCALE] == 2 + 2  # subtlety and density 0
    assert found[Oddity.FILE_MISSING] == 3032
    assert Oddity.ROW_BROKEN not in found


def test_cbis_ddsm_pathology_is_that_of_the_tables(data: dict[str, Collection]) -> None:
    written = Counter(a.written for r in data["cbis-ddsm-csv"].records for a in r.annotations)
    assert written == {
        "MALIGNANT": 637 + 147 + 544 + 129,
        "BENIGN": 577 + 194 + 528 + 130,
        "BENIGN_WITHOUT_CALLBACK": 104 + 37 + 474 + 67,
    }


def test_cbis_ddsm_mass_films_say_what_is_wrong_with_them(data: dict[str, Collection]) -> None:
    found = data["cbis-ddsm-mass-800"].oddities()
    assert found[Oddity.ASPECT_LOST] == 1274
    assert found[Oddity.CHEST_WALL_OTHER_SIDE] == 385
    assert found[Oddity.KIND_UNMARKED] == 57
    assert found[Oddity.LABEL_BY_OTHERS] == 11
    assert found[Oddity.PATHOLOGY_MISSING] == 4


def test_cdd_cesm_odd_entries_are_those_that_were_measured(data: dict[str, Collection]) -> None:
    found = data["cdd-cesm/annotations"].oddities()
    assert found[Oddity.NAME_TRIMMED] == 5
    assert found[Oddity.BIRADS_COMPOUND] == 81
    assert found[Oddity.DENSITY_MISSING] == 1082
    assert found[Oddity.LABEL_PAIR_DIFFERS] == 2 * 83
    assert found[Oddity.SHAPE_AS_POLYGON] == 598
    assert found[Oddity.POLYLINE_CLOSED] == 10
    assert found[Oddity.POINT_AS_DISC] == 4
    assert found[Oddity.MARKED_BUT_NORMAL] == 8
    assert found[Oddity.UNMARKED_LESION] == 11 + 13
    assert found[Oddity.REPEATED_VIEW] == 4  # two views, each as a pair


def test_official_parts_share_no_patient(data: dict[str, Collection]) -> None:
    films = data["cbis-ddsm-mass-800"].records
    parts = {s: {r.patient for r in films if r.split is s} for s in (Split.TRAIN, Split.TEST)}
    assert parts[Split.TRAIN]
    assert not parts[Split.TRAIN] & parts[Split.TEST]
