"""Tritons to be hurt, all over the small release; and a whole stack for jobs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightread.settings import Settings, load_settings
from nightread.stack import triton, triton_env
from nightread.stack.down import down
from nightread.stack.layout import Layout
from nightread.stack.up import up
from tests.conftest import Stack
from tests.faults.triton.world import Served
from triton_repo.release import Release, load


@pytest.fixture(scope="session")
def small(small_releases: Path) -> Release:
    return load(small_releases / "small")


@pytest.fixture(scope="module")
def serve(
    tmp_path_factory: pytest.TempPathFactory, small: Release
) -> Iterator[Callable[..., Served]]:
    """Starts a Triton that nobody starts again; `shm` gives it a /dev/shm of its own, so large."""
    env = triton_env.find(None)
    shared = tmp_path_factory.mktemp("backends")
    backends = triton_env.assemble(env, shared)
    library = triton_env.libpython(env, backends, shared)
    made: list[Served] = []

    def started(shm: str | None = None) -> Served:
        folder = tmp_path_factory.mktemp("triton")
        launch = triton.launch(folder, small.models, env, backends, library)
        made.append(Served(launch, small, shm))
        made[-1].start()
        return made[-1]

    yield started
    for served in made:
        served.kill()


@pytest.fixture(scope="module")
def served(serve) -> Served:
    """One that stays whole."""
    return serve()


@pytest.fixture(scope="session")
def small_stack(tmp_path_factory: pytest.TempPathFactory, small_releases: Path) -> Iterator[Stack]:
    layout = Layout(tmp_path_factory.mktemp("small-stack"))
    up(layout, Settings(releases_dir=small_releases, release="small"), tell=print)
    try:
        yield Stack(layout.root, load_settings(layout.settings_file, environment=False))
    finally:
        down(layout)
