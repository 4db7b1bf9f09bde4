"""Databases for tests, copied from one that the migrations built once."""

from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import migrate
from db.runs import Prefix, Run, register_release, start
from db.session import connect

RELEASE = "a" * 64
PREFIX = Prefix("archive", "night/")
NUMBERS = count()


def in_database(url: str, name: str) -> str:
    """`url` of another database of the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def server(postgres_url: str) -> Iterator[Engine]:
    """The server itself, for CREATE DATABASE."""
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    yield engine
    engine.dispose()


def run_sql(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


@pytest.fixture(scope="session")
def template(server: Engine, postgres_url: str) -> str:
    """The name of a database that all migrations built."""
    run_sql(server, "CREATE DATABASE db_template")
    migrate.upgrade(in_database(postgres_url, "db_template"))
    return "db_template"


@pytest.fixture
def empty_url(server: Engine, postgres_url: str) -> Iterator[str]:
    """A database without anything."""
    name = f"db_empty_{next(NUMBERS)}"
    run_sql(server, f"CREATE DATABASE {name}")
    yield in_database(postgres_url, name)
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def url(server: Engine, template: str, postgres_url: str) -> Iterator[str]:
    """A database of this test's own, migrated."""
    name = f"db_test_{next(NUMBERS)}"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield in_database(postgres_url, name)
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def shared_engine(server: Engine, template: str, postgres_url: str) -> Iterator[Engine]:
    """Of one database for all tests that need only a session: theirs are rolled back."""
    name = "db_shared"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    engine = connect(in_database(postgres_url, name))
    yield engine
    engine.dispose()
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> bool:
    """Whether the test asks for a database of its own, since it commits."""
    return bool({"engine", "url"} & set(request.fixturenames))


@pytest.fixture
def session(request: pytest.FixtureRequest, alone: bool) -> Iterator[Session]:
    engine: Engine = request.getfixturevalue("engine" if alone else "shared_engine")
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def run(session: Session, alone: bool) -> Run:
    """A running run over `PREFIX` by `RELEASE`."""
    register_release(session, RELEASE, "first", {"name": "first"})
    begun = start(session, PREFIX, RELEASE, "0.1.0+abc", "host:1")
    if alone:
        session.commit()
    return begun
