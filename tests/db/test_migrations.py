"""Migrations: from nothing to the models, once, and one at a time."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import counts, migrate, worklist
from db.schema import Base
from tests.db.conftest import RELEASE, in_database, run_sql

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
    roles = [
        *("nightread_app", "nightread_reader", "nightread_identity", "nightread_erasure"),
        *("nightread_web", "nightread_supervisor", "nightread_service", "nightread_auditor"),
        "nightread_previews",
    ]
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


def upgrade_to(url: str, revision: str) -> None:
    with migrate._connection(url) as connection:
        command.upgrade(migrate._config(connection), revision)


def test_a_list_that_was_there_before_is_counted_and_says_its_release(empty_url: str) -> None:
    upgrade_to(empty_url, "0004")
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in (
            f"INSERT INTO releases VALUES ('{RELEASE}', 'first', '{{}}')",
            (
                "INSERT INTO runs (bucket, prefix, release, state, who, code_version, finished_at, summary)"
                f" VALUES ('a', '', '{RELEASE}', 'finished', 'x', '0', now(), '{{}}')"
            ),
            (
                "INSERT INTO studies (study_uid, pseudonym, is_mammography, study_date, fingerprint)"
                " SELECT '1.2.' || n, 's' || n, true, date '2024-02-29', 'f' FROM generate_series(1, 7) n"
            ),
            (
                "INSERT INTO results (study_id, release, run_id, fingerprint, content_digest, level, score,"
                " probability, left_score, left_probability, missing_views, code_version)"
                f" SELECT id, '{RELEASE}', 1, 'f', 'd', 'soon', 5, 0.5, 5, 0.5, ARRAY['RCC'], '0'"
                " FROM studies WHERE id < 6"
            ),
            (
                "INSERT INTO worklist (study_id, study_uid, site, level, probability, result_id)"
                " SELECT s.id, study_uid, 'unknown', coalesce(level, 'not_scored'), probability, r.id"
                " FROM studies s LEFT JOIN results r ON r.study_id = s.id"
            ),
        ):
            connection.execute(text(statement))
    migrate.upgrade(empty_url)
    assert migrate.check(empty_url) == []
    with Session(engine) as session:
        assert sum(worklist.counts(session).values()) == 7
        found = worklist.page(session, 10, release=RELEASE, missing_views=True)
        assert len(found.items) == 5
        day = date(2024, 2, 29)
        assert len(worklist.page(session, 10, first=day, last=day).items) == 7
        (night,) = counts.nights(session, "unknown")
        assert (night.scored, night.scores[4]) == (5, 5)


def test_indexes_that_an_interrupted_upgrade_left_are_built_again(empty_url: str) -> None:
    upgrade_to(empty_url, "0005")
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_worklist_open ON worklist (study_uid)"))
        connection.execute(text("ALTER TABLE worklist DROP CONSTRAINT fk_worklist_result_id"))
    migrate.upgrade(empty_url)
    assert migrate.check(empty_url) == []


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(
    url: str, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = catalogue(url)
    with pytest.raises(migrate.NewerDatabase, match="9999"):
        migrate.upgrade(url)
    assert catalogue(url) == before


# Of what they say, what does not concern us: scores of 1 to 10 are small; 0006 takes away what
# an interrupted call left, and puts another key in the place of one. The first three were
# applied before the linter was there; nobody edits what was applied.
LINTED_FROM = "0004"
NOT_OURS = ("prefer-bigint-over-smallint", "prefer-robust-stmts", "ban-drop-constraint")


def test_the_sql_of_the_migrations_passes_a_linter(empty_url: str, tmp_path: Path) -> None:
    said: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_: object, cursor: Any, statement: str, parameters: Any, *__: object) -> None:
        if not statement.lstrip().startswith(("SELECT", "SHOW")):
            said.append(cursor.mogrify(statement, parameters).decode().strip().rstrip(";") + ";")

    try:
        migrate.upgrade(empty_url)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    bounds = f"SET lock_timeout = '{migrate.LOCK_TIMEOUT}';\nSET statement_timeout = '{migrate.STATEMENT_TIMEOUT}';\n"
    parts = re.split(
        r"(?:INSERT INTO|UPDATE) alembic_version .*'(\d{4})'.*;\n", "\n".join([*said, ""])
    )
    for sql, revision in zip(parts[::2], parts[1::2], strict=False):
        if revision < LINTED_FROM:
            continue
        path = tmp_path / f"{revision}.sql"
        path.write_text(bounds + sql)
        whole = [] if "CONCURRENTLY" in sql else ["--assume-in-transaction"]
        linted = subprocess.run(
            [str(Path(sys.executable).parent / "squawk"), "--pg-version=18", "--reporter=gcc",
             f"--exclude={','.join(NOT_OURS)}", *whole, str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert linted.returncode == 0, linted.stdout + linted.stderr
    assert len(parts) // 2 == len(
        list((Path(migrate.__file__).parent / "migrations/versions").glob("*.py"))
    )
