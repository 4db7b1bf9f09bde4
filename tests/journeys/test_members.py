"""A release brings its own networks: others, or more of them, need no change of code."""

from pathlib import Path

import pytest

from tests.calls import adds_up, call
from triton_repo.release import load


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("release", ["small", "several"])
def test_eight_phantoms_are_screened_by_whatever_networks_a_release_has(
    small_releases: Path, tmp_path: Path, release: str
) -> None:
    settings = {"NIGHTREAD_RELEASES_DIR": str(small_releases), "NIGHTREAD_RELEASE": release}
    arguments = ("demo", "--studies", "8", "--seed", "61", "--json", "--quiet")
    called = call(*arguments, cwd=tmp_path, **settings)
    assert called.code == 0, called.err
    adds_up(called.json)
    assert called.json["studies"]["scored"] == 8
    assert called.json["release"] == load(small_releases / release).digest
    assert any(item["findings"] for item in called.json["worklist"]["items"])
