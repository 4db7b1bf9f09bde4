"""What a release said of its reference views is what it must say again, within its tolerance."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from mammo.findings import RawView
from triton_repo import reference
from triton_repo.contract import Sizes
from triton_repo.graphs import Graphs
from triton_repo.reference import difference
from triton_repo.release import DEFAULT_DIR, Answer, Release, ReleaseError, Tolerance, load, names
from triton_repo.verify import problems

STRICT = Tolerance(score=0.01, box=1.0)
LOOSE = Tolerance(score=0.01, box=1.0, least=0.5)


def said(
    *detection: float, boxes: list[list[float]] | None = None, suspicion: float | None = None
) -> RawView:
    """A full list of three places, ten pixels apart, of these detections."""
    n = len(detection)
    places = boxes or [[10.0 * i, 0, 10.0 * i + 5, 5] for i in range(n)]
    filled = lambda values: np.array([*values, *[0.0] * (3 - n)], np.float32)  # noqa: E731
    return RawView(
        count=n,
        boxes=np.array([*places, *[[0.0] * 4] * (3 - n)], np.float32),
        detection=filled(detection),
        kind=np.zeros(3, np.int32),
        lesion=filled([0.5] * n),
        malignancy=filled([0.25] * n),
        suspicion=suspicion,
    )


RIGHT = said(0.9, 0.6, 0.3)


def changed(name: str, row: int, value: float) -> RawView:
    figures = getattr(RIGHT, name).copy()
    figures[row] = value
    return replace(RIGHT, **{name: figures})


def judged(answer: RawView, tolerance: Tolerance = STRICT, right: RawView = RIGHT) -> str | None:
    return difference(Answer.of(right), answer, tolerance)


def test_the_same_answer_is_right() -> None:
    assert judged(RIGHT) is None
    assert judged(said(), right=said()) is None


@pytest.mark.parametrize("name", ["detection", "lesion", "malignancy"])
def test_the_figure_and_the_box_that_are_off_are_named(name: str) -> None:
    right = float(getattr(RIGHT, name)[1])
    assert judged(changed(name, 1, right + 0.009)) is None
    assert judged(changed(name, 1, right + 0.02)) == (
        f"{name} of box 1 is {right + 0.02:.4f} where {right:.4f} is right (0.01 may be)"
    )
    assert judged(changed(name, 1, np.nan)) is not None


def test_a_box_elsewhere_is_named() -> None:
    moved = RIGHT.boxes.copy()
    moved[0, 2] += 1.5
    assert judged(replace(RIGHT, boxes=moved)) == (
        "box 0 has none within 1 pixels (the next: 1.50)"
    )
    assert judged(replace(RIGHT, boxes=np.full_like(moved, np.nan))) is not None


def test_boxes_of_nearly_one_score_may_change_ranks() -> None:
    order = [1, 0, 2]
    other = replace(
        RIGHT, boxes=RIGHT.boxes[order], detection=np.array([0.604, 0.9, 0.3], np.float32)
    )
    assert judged(other) is None


def test_the_last_of_a_full_list_may_give_way_to_one_that_is_nearly_as_sure() -> None:
    boxes = [[0, 0, 5, 5], [10, 0, 15, 5], [40, 0, 45, 5]]
    assert judged(said(0.9, 0.6, 0.305, boxes=boxes)) is None
    assert judged(said(0.9, 0.6, 0.35, boxes=boxes)) == (
        "there is a box of detection 0.3500 that is none"
    )


def test_a_box_that_was_left_out_is_named_where_the_list_had_room() -> None:
    assert judged(said(0.9, 0.6)) == "box 2 has none within 1 pixels (the next: 10.00)"
    assert judged(RIGHT, right=said(0.9, 0.6)) == "there is a box of detection 0.3000 that is none"
    assert judged(said()) == "box 0 has none within 1 pixels (the next: inf)"


def test_places_that_no_finding_is_made_of_are_compared_where_the_target_asks_for_it() -> None:
    assert judged(changed("malignancy", 2, 0.9), LOOSE) is None
    assert judged(said(0.9, 0.6), LOOSE) is None
    assert judged(changed("malignancy", 1, 0.9), LOOSE) is not None
    assert judged(said(0.9, 0.6, 0.55), LOOSE, right=said(0.9, 0.6)) is not None


def test_the_look_at_the_whole_counts_too() -> None:
    right = replace(RIGHT, suspicion=0.5)
    assert judged(replace(RIGHT, suspicion=0.505), right=right) is None
    assert judged(replace(RIGHT, suspicion=0.6), right=right) == (
        "suspicion is 0.6000 where 0.5000 is right (0.01 may be)"
    )
    assert judged(RIGHT, right=right) == "one side alone judges the whole"


@pytest.fixture(params=["small", "several", *names(DEFAULT_DIR)])
def any_release(request: pytest.FixtureRequest) -> Release:
    small = request.getfixturevalue("small_releases") / request.param
    return load(small if small.is_dir() else DEFAULT_DIR / request.param)


def test_each_release_has_air_and_three_breasts_for_both_targets(any_release: Release) -> None:
    known, sizes = any_release.manifest.reference, any_release.manifest.sizes
    assert known.tolerances.keys() == {"cpu", "tensorrt"}
    air, *breasts = (reference.read(any_release.folder / name, sizes) for name in known.views)
    assert air.max() == 0
    assert len(breasts) == 3
    for view in breasts:
        assert 0.2 < (view > 0).mean() < 0.95
        assert view.std() > 10


def test_what_is_off_is_said_of_the_view(release: Release) -> None:
    known = release.manifest.reference
    wrong = known.views["reference/02.png"]
    views = known.views | {
        "reference/02.png": wrong.model_copy(update={"lesion": [0.0, *wrong.lesion[1:]]})
    }
    other = known.model_copy(update={"views": views})
    manifest = release.manifest.model_copy(update={"reference": other})
    (problem,) = problems(replace(release, manifest=manifest))
    assert problem.startswith("Of reference/02.png lesion of box 0 is 0.")
    assert problem.endswith("where 0.0000 is right (0.001 may be).")


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda view: np.full_like(view, view.flat[0]),  # a server that repeats the first pixel
        lambda view: view[:, ::-1],
        lambda view: view // 2,
    ],
    ids=["constant", "upside down", "dark"],
)
def test_another_picture_has_another_answer(
    release: Release, spoiled: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    ensemble = Graphs.of(release)
    wrong = list(reference.problems(release, lambda view: ensemble(spoiled(view)), "cpu"))
    assert len(wrong) == 3  # air is air


def test_a_release_without_reference_views_is_not_sound(release: Release) -> None:
    manifest = release.manifest.model_copy(update={"reference": type(release.manifest.reference)()})
    (problem,) = problems(replace(release, manifest=manifest))
    assert problem.startswith("It has no reference views")


@pytest.mark.parametrize(
    "content",
    [
        b"no picture",
        imagecodecs.png_encode(np.zeros((8, 8), np.uint8)),
        imagecodecs.png_encode(np.zeros((96, 64, 3), np.uint8)),
        imagecodecs.png_encode(np.zeros((96, 64), np.uint16)),
    ],
    ids=["none", "small", "colour", "16-bit"],
)
def test_a_file_that_is_no_view_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "00.png").write_bytes(content)
    with pytest.raises(ReleaseError, match=r"00\.png is not a gray PNG of 64 x 96"):
        reference.read(tmp_path / "00.png", Sizes(96, 64, 4))
