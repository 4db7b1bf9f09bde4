"""A database for each test, copied from one that the migrations built once."""

from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import migrate
from db.runs import Prefix, Run, register_release, start
from db.session import connect, in_transaction

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


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def run(engine: Engine) -> Run:
    """A running run over `PREFIX` by `RELEASE`."""

    def begin(session: Session) -> Run:
        register_release(session, RELEASE, "first", {"name": "first"})
        return start(session, PREFIX, RELEASE, "0.1.0+abc", "host:1")

    return in_transaction(engine, begin)
