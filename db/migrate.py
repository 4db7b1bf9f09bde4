"""Bring a database to the schema that this version of the code needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from db.schema import Base
from db.session import connect

LOCK_KEY = 0x6E69676874726561  # "nightrea", of the advisory lock over migrations
LOCK_WAIT_S = 30.0  # for another migration, which may build indexes
POLL_S = 0.1
LOCK_TIMEOUT = "4s"  # a migration that waits for a lock makes everybody else wait behind it
STATEMENT_TIMEOUT = "5s"


class MigrationLocked(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """Another migration is running, or a session holds a lock that this one needs."""


class NewerDatabase(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """The database was migrated by a newer version: there is no way down."""

    def __init__(self, revision: str) -> None:
        super().__init__(revision)
        self.revision = revision


def upgrade(url: str) -> None:
    """Run the missing migrations; does nothing when there are none.

    Raises `MigrationLocked` when another one runs for longer than `LOCK_WAIT_S`, or a lock of a
    table is not to be had within `LOCK_TIMEOUT`; `NewerDatabase` when a newer version has
    migrated it. Each migration is one transaction, or says that it can be run again: what was
    done before stands.
    """
    with _connection(url) as connection:
        try:
            _lock(connection)
            config = _config(connection)
            for revision in _unknown(connection, ScriptDirectory.from_config(config)):
                raise NewerDatabase(revision)
            connection.commit()
            command.upgrade(config, "head")
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) == "55P03":  # lock_not_available
                raise MigrationLocked from error
            raise


def _lock(connection: Connection) -> None:
    """Ask until it is had.

    A session that waits inside a statement would hold up an index that is built concurrently,
    which waits for every statement that began before it.
    """
    deadline = monotonic() + LOCK_WAIT_S
    while not connection.execute(
        text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}
    ).scalar_one():
        connection.commit()
        if monotonic() > deadline:
            raise MigrationLocked
        sleep(POLL_S)
    connection.commit()


def _unknown(connection: Connection, script: ScriptDirectory) -> set[str]:
    """The revisions of the database that this version does not have."""
    done = set(MigrationContext.configure(connection).get_current_heads())
    return done - {revision.revision for revision in script.walk_revisions()}


def check(url: str) -> list[str]:
    """What keeps the database from being up to date, a sentence each; empty: nothing."""
    with _connection(url) as connection:
        script = ScriptDirectory.from_config(_config(connection))
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "target_metadata": Base.metadata}
        )
        done = set(context.get_current_heads())
        if unknown := _unknown(connection, script):
            return [f"the database is at revision {name}, which is newer" for name in unknown]
        applied = {
            revision.revision
            for head in done
            for revision in script.iterate_revisions(head, "base")
        }
        pending = [
            f"revision {revision.revision} is not applied: {revision.doc}"
            for revision in reversed(list(script.walk_revisions()))
            if revision.revision not in applied
        ]
        if pending:
            return pending
        return [
            f"the database differs from the models: {_describe(difference)}"
            for difference in compare_metadata(context, Base.metadata)
        ]


def _describe(difference: object) -> str:
    """`add_table patients`, from alembic's tuples, or lists of them for a column."""
    first = difference[0] if isinstance(difference, list) else difference
    if not isinstance(first, tuple):
        return "unknown"
    names = [getattr(part, "name", part) for part in first[1:] if part is not None]
    return " ".join([str(first[0]), *(name for name in names if isinstance(name, str))])


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = connect(url)
    try:
        with engine.connect() as connection:
            for setting, value in (
                ("lock_timeout", LOCK_TIMEOUT),
                ("statement_timeout", STATEMENT_TIMEOUT),
            ):
                connection.execute(
                    text("SELECT set_config(:setting, :value, false)"),
                    {"setting": setting, "value": value},
                )
            connection.commit()
            yield connection
    finally:
        engine.dispose()  # ends the session, and with it the advisory lock
