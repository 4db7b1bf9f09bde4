"""What Triton needs and a fresh machine may lack is one clear sentence before anything starts."""

import os
import stat
from pathlib import Path

import pytest

from nightread.errors import ServiceError
from nightread.stack import triton_env


def test_a_shared_memory_too_small_says_how_to_enlarge_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_env, "SHM_NEEDED", 1 << 60)
    with pytest.raises(ServiceError, match=r"/dev/shm has \d+ MiB free .*--shm-size"):
        triton_env.check_shared_memory()


def test_a_missing_environment_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"requirements/triton\.txt.*NIGHTREAD_TRITON_ENV"):
        _ = triton_env.find(tmp_path).site


def test_the_stub_is_copied_so_that_triton_changes_only_the_copy(tmp_path: Path) -> None:
    env = triton_env.find(None)
    stub = triton_env.assemble(env, tmp_path) / "python" / "triton_python_backend_stub"
    assert not stub.is_symlink()
    assert stub.stat().st_nlink == 1
    assert triton_env.libpython(env, tmp_path / "backends", tmp_path)


def test_a_missing_libpython_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = triton_env.find(None)
    backends = triton_env.assemble(env, tmp_path)
    stub = backends / "python" / "triton_python_backend_stub"
    stub.write_text("#!/bin/sh\nexit 127\n")  # as the loader ends a program without its library
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.devnull)  # no apt-get here
    with pytest.raises(ServiceError, match=r"run `apt-get install libpython3\.\d+` as root"):
        triton_env.libpython(env, backends, tmp_path)
