"""Connections to Postgres, and transactions that survive the loss of one."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

CONNECT_TIMEOUT = 5  # seconds
# Postgres ends all sessions when one of its processes is killed, and takes new ones after
# 2.1 to 2.6 s (measured); these waits sum to 7.5 s.
WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds before each further try

T = TypeVar("T")


def driver_url(url: str) -> URL:
    """`url` for psycopg2; a plain `postgresql://` or `postgres://` is read as that."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg2")
    return parsed


def connect(url: str, *, statement_timeout_s: int | None = None) -> Engine:
    """An engine whose pool asks a connection whether it still lives before handing it out.

    `url` may name a `passfile`. The connection's time zone is UTC, and a peer that vanished
    is noticed within about a minute. Without `statement_timeout_s` a statement may take for ever.
    """
    bound = f" -c statement_timeout={statement_timeout_s}s" if statement_timeout_s else ""
    return create_engine(
        driver_url(url),
        pool_pre_ping=True,
        hide_parameters=True,  # values must not reach an error's text
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "nightread",
            "options": f"-c timezone=UTC{bound}",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    )


def in_transaction(engine: Engine, work: Callable[[Session], T]) -> T:
    """Do `work` in one transaction and commit; all of it again if the connection is lost.

    `work` must be safe to repeat: the connection may be lost when the commit was done but
    not yet answered. Raises what `work` raises, and `sqlalchemy.exc.OperationalError` when
    Postgres does not come back.
    """
    return patiently(lambda: _once(engine, work))


def patiently(work: Callable[[], T]) -> T:
    """Do `work`, again if it loses its connection or gets none, for 7.5 s at most."""
    for wait in WAITS:
        try:
            return work()
        except DBAPIError as error:
            if not is_lost(error):
                raise
            time.sleep(wait)
    return work()


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection went away, or could not be made; not a fault of the statement."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "pgcode", None)
    # No SQLSTATE: no answer came. 57P01 to 57P03: the server stops or starts. 40001 and
    # 40P01: lost against another transaction, which is not there the next time.
    return code in (None, "57P01", "57P02", "57P03", "40001", "40P01") and (
        type(error).__name__ == "OperationalError"
    )


def _once(engine: Engine, work: Callable[[Session], T]) -> T:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        return work(session)
