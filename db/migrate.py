"""Bring a database to the schema that this version of the code needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
LOCK_TIMEOUT = "4s"  # a migration that waits for a lock makes everybody else wait behind it
STATEMENT_TIMEOUT = "5s"


class MigrationLocked(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """Another migration is running, or a session holds a lock that this one needs."""


def upgrade(url: str) -> None:
    """Run the missing migrations; does nothing when there are none.

    Raises `MigrationLocked` when a lock is not to be had within `LOCK_TIMEOUT`. Each migration
    is one transaction: what was done before stands.
    """
    with _connection(url) as connection:
        try:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            connection.commit()
            command.upgrade(_config(connection), "head")
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) == "55P03":  # lock_not_available
                raise MigrationLocked from error
            raise


def check(url: str) -> list[str]:
    """What keeps the database from being up to date, a sentence each; empty: nothing."""
    with _connection(url) as connection:
        script = ScriptDirectory.from_config(_config(connection))
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "target_metadata": Base.metadata}
        )
        done = set(context.get_current_heads())
        known = {revision.revision for revision in script.walk_revisions()}
        if unknown := done - known:
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
