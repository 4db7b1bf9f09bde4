"""Services' tokens: issued and revoked by whoever owns the schema, never by the server."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import audit, credentials
from db.session import connect, in_transaction
from nightread.errors import UsageError
from nightread.jobs import said_plainly
from nightread.settings import Settings
from nightread.shapes import IssuedToken, TokenShape


def issue(settings: Settings, name: str, role: str, days: int) -> IssuedToken:
    """A new token; it is nowhere else afterwards. Raises `UsageError`: the name is taken, or none."""

    def made(session: Session) -> IssuedToken:
        try:
            token, expires = credentials.issue_token(session, name, role, timedelta(days=days))
        except IntegrityError:
            raise UsageError(
                f"{name!r} is the name of a token that stands, or none: use another one (a-z, "
                "0-9, and -._ within), or revoke that first."
            ) from None
        audit.note(session, operator(), "token_issued", name=name, role=role, days=days)
        return IssuedToken(name=name, role=role, token=token, expires_at=expires)

    with _owner(settings) as engine:
        return in_transaction(engine, made)


def revoke(settings: Settings, name: str) -> None:
    """At once. Raises `UsageError`: none of this name stands."""

    def ended(session: Session) -> bool:
        if not credentials.revoke_token(session, name):
            return False
        audit.note(session, operator(), "token_revoked", name=name)
        return True

    with _owner(settings) as engine:
        if not in_transaction(engine, ended):
            raise UsageError(f"No token named {name!r} stands: see `nightread tokens list`.")


def listed(settings: Settings) -> list[TokenShape]:
    """All that were ever issued, without the tokens themselves."""
    with _owner(settings) as engine:
        found = in_transaction(engine, credentials.tokens)
    return [
        TokenShape(
            name=token.name,
            role=token.role,
            made_at=token.made_at,
            expires_at=token.expires_at,
            revoked_at=token.revoked_at,
            used_at=token.used_at,
        )
        for token in found
    ]


@contextmanager
def _owner(settings: Settings) -> Iterator[Engine]:
    engine = connect(settings.need("migration_database_url"))
    try:
        with said_plainly(settings, "migration_database_url"):
            yield engine
    finally:
        engine.dispose()


def operator() -> str:
    """Who sits at this machine, for the audit."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
