"""`nightread db`: what it prints and how it ends."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

from db import migrate
from nightread.cli.db import app
from nightread.errors import Refused, ServiceError

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _configured(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTREAD_MIGRATION_DATABASE_URL", empty_url)


def test_check_ends_with_5_until_the_database_was_upgraded() -> None:
    before = RUNNER.invoke(app, ["check"])
    assert (before.exit_code, before.stdout.split(":")[0]) == (5, "revision 0001 is not applied")
    assert RUNNER.invoke(app, ["upgrade"]).stdout == "The database is up to date.\n"
    after = RUNNER.invoke(app, ["check"])
    assert (after.exit_code, after.stdout) == (0, "The database is up to date.\n")


def test_a_server_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "NIGHTREAD_MIGRATION_DATABASE_URL", "postgresql://owner@127.0.0.1:1/x?passfile=/none"
    )
    for command in ("upgrade", "check"):
        error = RUNNER.invoke(app, [command]).exception
        assert isinstance(error, ServiceError)
        assert error.exit_code == 3
        assert str(error).startswith("PostgreSQL at 127.0.0.1:1 could not be reached")


def test_an_upgrade_that_must_wait_says_so(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_WAIT_S", 0.1)
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({migrate.LOCK_KEY})"))
        error = RUNNER.invoke(app, ["upgrade"]).exception
    assert isinstance(error, ServiceError)
    assert "run it again" in str(error)


def test_a_login_that_may_not_migrate_is_told_what_it_needs(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        # Sessions of this database begin as a role that may do nothing in it.
        connection.execute(text("ALTER DATABASE " + empty_url.rsplit("/", maxsplit=1)[-1].split("?", maxsplit=1)[0]
                                + " SET role = pg_monitor"))  # fmt: skip
    error = RUNNER.invoke(app, ["upgrade"]).exception
    assert isinstance(error, ServiceError)
    assert "SQLSTATE 42501" in str(error)
    assert "owns the database" in str(error)


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(empty_url: str) -> None:
    RUNNER.invoke(app, ["upgrade"])
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0042'"))
    error = RUNNER.invoke(app, ["upgrade"]).exception
    assert isinstance(error, Refused)
    assert str(error) == (
        "The database is at revision 0042, of a newer version of nightread, and there is no way"
        " down: install that version again, or restore a backup."
    )
