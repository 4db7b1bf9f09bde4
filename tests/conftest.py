"""What tests of all rooms share: real servers, started when the first test asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightread.stack import throwaway

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images that lies beside a checkout where they may be used."""
    if not SHARED.is_dir():
        pytest.skip("the folder `shared` with the real images is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's SQLAlchemy URL of a fresh PostgreSQL 18, without durability.

    Its user is a superuser: tests may create databases of their own (`CREATE DATABASE ...
    TEMPLATE ...`) by replacing the database in the URL.
    """
    with throwaway.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url
