"""What training takes from the folders of shared data, and how it is prepared and stored."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mammo.codes import Kind
from mammo.prepare import Preparation
from training.datasets import cbis_ddsm, cdd_cesm, films, folders, store
from training.datasets.outlines import Polygon, area
from training.datasets.record import Split
from training.datasets.sample import Sample


@pytest.fixture(scope="module")
def cbis(shared: Path) -> list[Sample]:
    return cbis_ddsm.read(shared / "data" / cbis_ddsm.NAME)


@pytest.fixture(scope="module")
def cesm(shared: Path) -> list[Sample]:
    return cdd_cesm.read(shared / "data" / cdd_cesm.NAME)


def test_cbis_ddsm_counts_are_those_of_its_readme(cbis: list[Sample]) -> None:
    test = [r for r in cbis if r.split is Split.TEST]
    rest = [r for r in cbis if r.split is not Split.TEST]
    assert (len(cbis), len({r.patient for r in cbis})) == (1274, 714)
    assert (len(rest), len({r.patient for r in rest})) == (980, 553)
    assert (len(test), len({r.patient for r in test})) == (294, 161)
    assert Counter(r.malignant for r in cbis) == {True: 610, False: 664}
    lesions = Counter(lesion.malignant for r in cbis for lesion in r.lesions)
    assert lesions == {True: 626, False: 701, None: 4}


def test_cdd_cesm_counts_are_those_of_its_readme(cesm: list[Sample]) -> None:
    assert (len(cesm), len({r.patient for r in cesm})) == (257, 142)
    assert sum(len(r.lesions) + len(r.ignored) for r in cesm) == 744
    assert all(r.malignant for r in cesm)


def test_cdd_cesm_says_nothing_about_single_lesions(cesm: list[Sample]) -> None:
    assert {lesion.malignant for r in cesm for lesion in r.lesions} == {None}


def test_no_patient_is_on_two_sides(cbis: list[Sample], cesm: list[Sample]) -> None:
    for records in (cbis, cesm):
        splits = {(r.patient, r.split) for r in records}
        assert len(splits) == len({patient for patient, _ in splits})
        assert Split.VALIDATION in {split for _, split in splits}


def test_films_with_unmarked_calcifications_say_so(cbis: list[Sample]) -> None:
    assert sum(Kind.CALCIFICATION not in r.kinds for r in cbis) == 57


def test_a_band_along_the_skin_is_no_mass() -> None:
    band = Polygon(((0.0, 0.0), (100.0, 0.0), (100.0, 4.0), (0.0, 4.0)))
    assert not cdd_cesm.is_mass_like(band)  # circularity 4 pi 400 / 208^2 = 0.12
    assert cdd_cesm.is_mass_like(_square(40.0))
    assert not cdd_cesm.is_mass_like(_square(150.0))  # 22,500 pixels: diffuse disease
    assert not cdd_cesm.is_mass_like(_square(7.0))


def _square(side: float) -> Polygon:
    return Polygon(((0.0, 0.0), (side, 0.0), (side, side), (0.0, side)))


def test_the_split_of_a_patient_never_changes() -> None:
    assert folders.held_back("a", "P_1") is folders.held_back("a", "P_1")
    share = np.mean([folders.held_back("a", str(i)) is Split.VALIDATION for i in range(4000)])
    assert 0.10 < share < 0.14


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(folders.DatasetError, match=r"labels\.csv is missing: point --data"):
        cbis_ddsm.read(tmp_path / cbis_ddsm.NAME)


def test_prepared_boxes_lie_on_the_same_tissue(cbis: list[Sample]) -> None:
    # Independent of the geometry: a mass is brighter than the mean of the prepared breast.
    brighter = 0
    chosen = cbis[:12]
    for picture, view in films.prepared(chosen, Preparation()):
        x0, y0, x1, y1 = (round(v) for v in view.lesions[0].box)
        assert 0 <= x0 < x1 <= picture.shape[1]
        assert 0 <= y0 < y1 <= picture.shape[0]
        brighter += picture[y0:y1, x0:x1].mean() > picture[picture > 20].mean()
    assert brighter >= 8


def test_a_store_gives_back_what_was_put_in(tmp_path: Path, cesm: list[Sample]) -> None:
    preparation = Preparation(height=128, width=80)
    items = list(films.prepared(cesm[:3], preparation))
    store.write(tmp_path / "s", items, 3, preparation)
    held = store.open_store(tmp_path / "s", preparation)
    assert held is not None
    assert list(held.views) == [view for _, view in items]
    for index, (picture, _) in enumerate(items):
        assert np.array_equal(held.pictures[index], picture)
    assert store.open_store(tmp_path / "s", Preparation()) is None  # prepared otherwise


def test_an_unfinished_store_is_none(tmp_path: Path) -> None:
    def broken() -> object:
        yield from ()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "s", broken(), 2, Preparation())
    assert store.open_store(tmp_path / "s", Preparation()) is None


def test_the_outline_on_the_limit_of_size_counts_by_its_corners(cesm: list[Sample]) -> None:
    (film,) = [sample for sample in cesm if sample.record.image == "P93_L_DM_MLO"]
    outlines = [a.outline for a in film.record.annotations if isinstance(a.outline, Polygon)]
    assert [round(area(one), 1) for one in outlines] == [5388.2, 60.1, 9387.3]
    assert [cdd_cesm.is_mass_like(one) for one in outlines] == [False, True, True]
    assert (len(film.lesions), len(film.ignored)) == (2, 1)
