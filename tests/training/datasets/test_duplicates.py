"""The same picture is found again whatever was done to it, and no other is taken for it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.datasets import catalog, duplicates, pixels
from training.datasets.check import look
from training.datasets.oddities import Oddity

Gray = NDArray[np.uint8]


def film(seed: int, rows: int = 400, columns: int = 300) -> Gray:
    """A breast of its own shape with a texture of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    width, height = rng.uniform(0.6, 0.9) * columns, rng.uniform(0.35, 0.48) * rows
    breast = (x / width) ** 2 + ((y - rows / 2) / height) ** 2 < 1
    texture = sum(
        (cv2.resize(rng.random((n, n)).astype(np.float32), (columns, rows)) * 60 for n in (6, 14)),
        np.zeros((rows, columns)),
    )
    return np.where(breast, 60 + texture, 2).astype(np.uint8)


def _jpeg(gray: Gray) -> Gray:
    _, data = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _padded(gray: Gray) -> Gray:
    return np.asarray(cv2.copyMakeBorder(gray, 40, 10, 60, 20, cv2.BORDER_CONSTANT), np.uint8)


def _reduced(gray: Gray) -> Gray:
    return np.asarray(cv2.resize(gray, (128, 190), interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Callable[[Gray], Gray]] = {
    "reduced": _reduced,
    "compressed": _jpeg,
    "padded": _padded,
    "darker": lambda gray: (gray * 0.8).astype(np.uint8),
    "all": lambda gray: _jpeg(_padded(_reduced(gray))),
}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_found_again(change: str, mirrored: bool) -> None:
    films = [film(seed) for seed in range(12)]
    again = CHANGES[change](films[7])
    again = np.ascontiguousarray(again[:, ::-1]) if mirrored else again
    prints = [duplicates.fingerprint(one) for one in (*films, again)]
    (found,) = duplicates.near(prints)
    assert (found.number, found.like, found.mirrored) == (12, 7, mirrored)


def test_blocks_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    films = [film(seed) for seed in (1, 2, 3, 1, 4, 2, 5)]
    prints = [duplicates.fingerprint(one) for one in films]
    whole = list(duplicates.near(prints))
    monkeypatch.setattr(duplicates, "BLOCK", 2)
    assert list(duplicates.near(prints)) == whole
    assert [(one.number, one.like, one.apart) for one in whole] == [(3, 0, 0.0), (5, 1, 0.0)]


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([0, 12, 200]),
    st.integers(0, 2**32 - 1),
)
def test_any_picture_has_a_fingerprint(rows: int, columns: int, level: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, level + 1, (rows, columns), np.uint8)
    signs = duplicates.fingerprint(noise)
    assert signs.shape == duplicates.fingerprint(film(0)).shape
    (found,) = duplicates.near([signs, signs])
    assert found.apart == 0


def test_nothing_is_like_nothing() -> None:
    assert list(duplicates.near([])) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mini-mias", {}),
        ("ddsm-mlo-tissue", {}),
        ("cdd-cesm", {"native/P3_L_DM_MLO": "P3_L_DM_MLO"}),  # in both of its folders
        pytest.param(
            "cbis-ddsm-mass-800",
            {  # eight films stand there in their true shape too
                f"native/{patient}_{view}": f"{patient}_{view}"
                for patient in ("00173", "00820")
                for view in ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO")
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_real_films_are_taken_for_no_others(
    shared: Path, name: str, wanted: dict[str, str]
) -> None:
    _, collection = catalog.read(shared / "data" / name)
    found = [p for p in look(collection).problems if p.code is Oddity.NEARLY_REPEATED]
    assert {p.where: p.detail.removeprefix("as ").split(";")[0] for p in found} == wanted


def test_a_film_mirrored_and_reduced_is_found_among_real_ones(shared: Path) -> None:
    _, collection = catalog.read(shared / "data/ddsm-mlo-tissue")
    films = [pixels.gray(record) for record in collection.records]
    again = _jpeg(np.ascontiguousarray(_reduced(films[20])[:, ::-1]))
    (found,) = duplicates.near([duplicates.fingerprint(one) for one in (*films, again)])
    assert (found.number, found.like, found.mirrored) == (len(films), 20, True)
