"""A PostgreSQL of one's own for as long as a test run lasts."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from nightread.errors import ServiceError
from nightread.stack import logins, postgres
from nightread.stack.files import last_line
from nightread.stack.process import Launch, finish, port_was_taken, start
from nightread.stack.wait import until

TRIES = 3  # ports are drawn, not reserved
PATIENCE = 60.0  # seconds


def _accepts(plan: Launch, passfile: Path) -> bool:
    with contextlib.suppress(psycopg2.OperationalError):
        logins.make_database(plan.url, passfile)
        return True
    return False


def _started(folder: Path, passfile: Path) -> tuple[Launch, subprocess.Popen[bytes]]:
    for _ in range(TRIES):
        plan = postgres.launch(folder, passfile, throw_away=True)
        server = start(plan)
        until(lambda: server.poll() is not None or _accepts(plan, passfile), PATIENCE)  # noqa: B023
        if server.poll() is None:
            return plan, server
        if not port_was_taken(plan):
            break
    raise ServiceError(f"PostgreSQL did not start: {last_line(plan.log)} (log: {plan.log}).")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """A fresh server without durability; yields the SQLAlchemy URL of its superuser.

    Its cluster and its password file lie in `folder`. Raises ServiceError when it does not start.
    """
    passfile = folder / "pgpass"
    postgres.make_logins(passfile)
    plan, running = _started(folder / "postgres", passfile)
    try:
        yield logins.login_url(plan.url, postgres.OWNER, passfile)
    finally:
        finish([(plan, running)])
        postgres.release_memory(folder / "postgres")
