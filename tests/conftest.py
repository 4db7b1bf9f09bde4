"""What tests of all rooms share: real servers, started when the first test asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from nightread.settings import Settings, load_settings
from nightread.stack import throwaway
from nightread.stack.down import down
from nightread.stack.layout import Layout
from nightread.stack.up import up

pytest_plugins = ["tests.calls", "tests.small_release"]

# The same examples on every machine, however slow: a red run can be repeated.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--skips-are-failures",
        action="store_true",
        help="fail where a test is skipped, unless its reason begins with `environment:`",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--skips-are-failures"):
        # What a test needs comes by pip or lies in the checkout: nothing may be missing in CI.
        # Who runs the tests, and where the checkout lies, is the environment's affair.
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if "environment:" in str(reason):
            return
        report.outcome, report.longrepr = "failed", f"{item.nodeid}: {reason}"


SHARED = Path(__file__).parents[2] / "shared"


class Stack(NamedTuple):
    """A whole stack that runs."""

    folder: Path  # as of `nightread stack up --dir`
    settings: Settings  # what `folder`/nightread.toml says


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images that lies beside a checkout where they may be used."""
    if not SHARED.is_dir():
        pytest.skip(
            "environment: the folder `shared` with the real images is not beside this checkout"
        )
    return SHARED


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's SQLAlchemy URL of a fresh PostgreSQL 18, without durability.

    Its user is a superuser: tests may create databases of their own (`CREATE DATABASE ...
    TEMPLATE ...`) by replacing the database in the URL.
    """
    with throwaway.postgresql(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[throwaway.S3]:
    """A fresh SeaweedFS with an empty bucket `archive`."""
    with throwaway.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack over the default release, as `nightread stack up` starts it."""
    layout = Layout(tmp_path_factory.mktemp("stack"))
    up(layout, load_settings(stack_file=None), tell=print)
    try:
        yield Stack(layout.root, load_settings(layout.settings_file, environment=False))
    finally:
        down(layout)
