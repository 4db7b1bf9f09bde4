"""Migrations: from nothing to the models, once, and one at a time."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from db import migrate
from db.schema import Base
from tests.db.conftest import in_database, run_sql

# Everything that the models say, as Postgres itself spells it.
CATALOGUE = """
    SELECT 'column', table_schema || '.' || table_name || '.' || column_name,
        concat_ws(' ', data_type, udt_name, collation_name, is_nullable, column_default,
            is_identity, identity_generation, generation_expression)
    FROM information_schema.columns
    WHERE table_schema IN ('public', 'identity') AND table_name <> 'alembic_version'
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace IN ('public'::regnamespace, 'identity'::regnamespace)
        AND conrelid <> 0 AND conname NOT LIKE 'alembic%'
    UNION ALL
    SELECT 'index', tablename || '.' || indexname, indexdef
    FROM pg_indexes
    WHERE schemaname IN ('public', 'identity') AND tablename <> 'alembic_version'
"""


def catalogue(url: str) -> set[tuple[str, str, str]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return {(row[0], row[1], row[2]) for row in connection.execute(text(CATALOGUE))}


def test_the_migrations_build_exactly_the_models(url: str, empty_url: str) -> None:
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA identity"))
        Base.metadata.create_all(connection)
    assert catalogue(url) == catalogue(empty_url)


def test_a_migrated_database_passes_the_check(url: str) -> None:
    assert migrate.check(url) == []


def test_an_empty_database_misses_every_revision(empty_url: str) -> None:
    versions = Path(migrate.__file__).parent / "migrations/versions"
    assert [problem.split(":")[0] for problem in migrate.check(empty_url)] == [
        f"revision {path.name[:4]} is not applied" for path in sorted(versions.glob("*.py"))
    ]


def test_the_check_names_a_column_that_somebody_dropped(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE studies DROP COLUMN study_date"))
    (problem,) = migrate.check(url)
    assert "study_date" in problem


def test_the_check_refuses_a_database_of_a_newer_version(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate.check(url) == ["the database is at revision 9999, which is newer"]


def test_upgrading_twice_does_nothing_the_second_time(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    before = catalogue(empty_url)
    migrate.upgrade(empty_url)
    assert catalogue(empty_url) == before


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Processes of their own, as jobs are: alembic's environment is one a process."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        yield pool


def test_two_upgrades_at_once_both_succeed(empty_url: str, processes: ProcessPoolExecutor) -> None:
    list(processes.map(migrate.upgrade, [empty_url, empty_url]))
    assert migrate.check(empty_url) == []


def test_an_upgrade_gives_up_while_another_session_holds_the_lock(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_WAIT_S", 0.2)
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({migrate.LOCK_KEY})"))
        with pytest.raises(migrate.MigrationLocked):
            migrate.upgrade(empty_url)
    assert "is not applied" in migrate.check(empty_url)[0]


def test_databases_of_one_server_can_be_migrated_at_once_before_the_roles_exist(
    server: Engine, postgres_url: str, processes: ProcessPoolExecutor
) -> None:
    """The roles are the server's: each migration may find that another has just made them."""
    roles = ("nightread_app", "nightread_reader", "nightread_identity")
    names = [f"db_parallel_{number}" for number in range(3)]
    renamed = [f"{role}_aside" for role in roles]
    for role, aside in zip(roles, renamed, strict=True):
        run_sql(
            server,
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
            f" THEN ALTER ROLE {role} RENAME TO {aside}; END IF; END $$",
        )
    try:
        for name in names:
            run_sql(server, f"CREATE DATABASE {name}")
        urls = [in_database(postgres_url, name) for name in names]
        list(processes.map(migrate.upgrade, urls))
        assert [migrate.check(url) for url in urls] == [[], [], []]
    finally:
        for name in names:
            run_sql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for role, aside in zip(roles, renamed, strict=True):
            run_sql(
                server,
                f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{aside}')"
                f" THEN DROP ROLE IF EXISTS {role}; ALTER ROLE {aside} RENAME TO {role}; END IF; END $$",
            )
