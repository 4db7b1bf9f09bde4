"""One run at a time over a prefix and release."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.runs import Prefix, latest
from db.session import in_transaction, is_lost, patiently


class RunLocked(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """Another run holds this prefix and release.

    `who` and `since` are None when it has not yet written down that it runs.
    """

    def __init__(self, who: str | None, since: datetime | None) -> None:
        super().__init__(who, since)
        self.who = who
        self.since = since


class RunLock:
    """A held lock. It lives on a session of its own and ends with it, however that dies."""

    def __init__(self, engine: Engine, prefix: Prefix, release: str) -> None:
        self._engine = engine
        self._prefix = prefix
        self._release = release
        self._connection: Connection | None = None

    def keep(self) -> None:
        """Hold the lock, taking it again if its session was lost; call it now and then.

        Raises `RunLocked` if another run has it: then this one must stop.
        """
        patiently(self._keep)

    def _keep(self) -> None:
        if self._connection is not None and self._is_alive(self._connection):
            return
        self.release()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection = connection
        name = _name(self._prefix, self._release)
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": name}
        ).scalar_one()
        if not taken:
            self.release()
            run = in_transaction(
                self._engine, lambda session: latest(session, self._prefix, self._release)
            )
            running = run is not None and run.state == "running"
            raise RunLocked(
                run.who if run and running else None, run.started_at if run and running else None
            )

    def release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # ends the session, and the lock with it
            self._connection.close()
            self._connection = None

    @staticmethod
    def _is_alive(connection: Connection) -> bool:
        try:
            connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            if not is_lost(error):
                raise
            return False
        return True


def hold_if_dead(session: Session, bucket: str, prefix: str, release: str) -> bool:
    """Whether nobody holds the lock of a run that says it is running: it died without a word.

    Then nobody takes it either until the transaction ends.
    """
    taken: bool = session.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": _name(Prefix(bucket, prefix), release)},
    ).scalar_one()
    return taken


def _name(prefix: Prefix, release: str) -> str:
    return f"{prefix.bucket}\n{prefix.key}\n{release}"


@contextmanager
def run_lock(engine: Engine, prefix: Prefix, release: str) -> Iterator[RunLock]:
    """Hold the advisory lock of `prefix` and `release`, or raise `RunLocked`.

    A process that is killed lets go at once; one whose machine vanished, when the server's
    TCP keepalive notices.
    """
    lock = RunLock(engine, prefix, release)
    lock.keep()
    try:
        yield lock
    finally:
        lock.release()
