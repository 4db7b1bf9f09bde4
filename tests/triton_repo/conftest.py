"""A release that a test may damage."""

import shutil
from pathlib import Path

import pytest

from triton_repo.release import Release, load


@pytest.fixture
def release(small_releases: Path, tmp_path: Path) -> Release:
    return load(shutil.copytree(small_releases / "small", tmp_path / "small"))
