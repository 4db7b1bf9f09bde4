"""A release is exactly what was measured, or it is refused with the file's name."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triton_repo import canary
from triton_repo.graphs import Graphs
from triton_repo.release import Release, ReleaseError, default_name, load, names
from triton_repo.verify import problems


def test_a_built_release_loads_and_is_sound(release: Release) -> None:
    assert load(release.folder).digest == release.digest
    assert list(problems(release)) == []


def test_a_changed_file_is_refused_by_name(release: Release) -> None:
    path = release.models / "detector/1/model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseError, match=r"models/detector/1/model\.onnx is not the file"):
        load(release.folder)


def test_a_missing_file_is_refused_by_name(release: Release) -> None:
    (release.models / "classifier/config.pbtxt").unlink()
    with pytest.raises(ReleaseError, match=r"models/classifier/config\.pbtxt is missing"):
        load(release.folder)


def test_a_file_that_triton_would_load_and_nobody_measured_is_refused(release: Release) -> None:
    extra = release.models / "detector/2"
    extra.mkdir()
    (extra / "model.onnx").write_bytes(b"later")
    with pytest.raises(ReleaseError, match=r"models/detector/2/model\.onnx is not in its manifest"):
        load(release.folder)


def test_a_manifest_with_an_unknown_field_is_refused(release: Release) -> None:
    path = release.folder / "manifest.json"
    path.write_text(path.read_text().replace('"name"', '"mane"', 1))
    with pytest.raises(ReleaseError, match=r"mane|name"):
        load(release.folder)


def test_where_there_is_no_release_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="nightread models list"):
        load(tmp_path / "nothing")
    with pytest.raises(ReleaseError, match="make train"):
        default_name(tmp_path)


def test_the_newest_release_is_the_default(release: Release) -> None:
    assert names(release.folder.parent) == ["small"]
    assert default_name(release.folder.parent) == "small"


def test_other_calibration_is_another_release(release: Release) -> None:
    path = release.folder / "manifest.json"
    path.write_text(path.read_text().replace('"lesion_intercept": 0.0', '"lesion_intercept": 0.5'))
    assert load(release.folder).digest != release.digest


def test_verify_notices_graphs_that_answer_otherwise(release: Release) -> None:
    right = release.manifest.canary
    wrong = right.model_copy(update={"detection": [p + 0.01 for p in right.detection]})
    other = Release(
        release.folder, release.manifest.model_copy(update={"canary": wrong}), release.digest
    )
    assert any("detection scores are off by 0.01" in problem for problem in problems(other))


def test_the_canary_betrays_a_server_that_repeats_the_first_pixel(release: Release) -> None:
    picture = canary.image(release.manifest.sizes)
    answer = Graphs.of(release)(np.full_like(picture, picture.flat[0]))
    right = release.manifest.canary
    assert canary.problem(right, answer)


def test_an_answer_that_is_not_a_number_is_wrong(release: Release) -> None:
    answer = Graphs.of(release)(canary.image(release.manifest.sizes))
    nothing = np.full_like(answer.detection, np.nan)
    right = release.manifest.canary
    assert canary.problem(right, replace(answer, detection=nothing))


def test_of_two_names_the_one_with_the_higher_number_is_newer(release: Release) -> None:
    for name in ("base-2026-9", "base-2026-11"):
        shutil.copytree(release.folder, release.folder.parent / name)
    assert names(release.folder.parent)[:2] == ["base-2026-9", "base-2026-11"]


def test_the_canary_is_neither_constant_nor_symmetric(release: Release) -> None:
    picture = canary.image(release.manifest.sizes)[0]
    assert picture.std() > 20
    assert (picture != picture[::-1]).mean() > 0.3
    assert (picture != picture[:, ::-1]).mean() > 0.3
