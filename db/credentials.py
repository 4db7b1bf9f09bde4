"""Who is signed in, and services' tokens: kept as digests, ended by time or by a word.

A session's cookie and a token are random, 256 bits: their SHA-256 needs no salt and no work.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

TOKEN_PREFIX = "nightread_"  # noqa: S105 -- by which a scanner for leaked secrets knows one
TOUCH_S = 60  # a session's last use is written no more often

BEGIN = text(
    """
    INSERT INTO web_sessions (digest, who, name, roles, ends_at)
    VALUES (:digest, :who, :name, :roles, now() + :lasts)
    """
)
SIGNED_IN = text(
    """
    SELECT who, name, roles, seen_at < now() - make_interval(secs => :touch) AS stale
    FROM web_sessions
    WHERE digest = :digest AND ends_at > now() AND seen_at > now() - CAST(:idle AS interval)
    """
)
TOUCH = text("UPDATE web_sessions SET seen_at = now() WHERE digest = :digest")
END = text("DELETE FROM web_sessions WHERE digest = :digest")
PURGE = text("DELETE FROM web_sessions WHERE ends_at <= now()")

ISSUE = text(
    """
    INSERT INTO service_tokens (name, role, digest, expires_at)
    VALUES (:name, :role, :digest, now() + :lasts) RETURNING expires_at
    """
)
TOKEN = text(
    """
    SELECT id, name, role,
        used_at IS NULL OR used_at < now() - make_interval(secs => :touch) AS stale
    FROM service_tokens
    WHERE digest = :digest AND revoked_at IS NULL AND expires_at > now()
    """
)
USED = text("UPDATE service_tokens SET used_at = now() WHERE id = :id")
REVOKE = text(
    "UPDATE service_tokens SET revoked_at = now() WHERE name = :name AND revoked_at IS NULL"
)
TOKENS = text(
    "SELECT name, role, made_at, expires_at, revoked_at, used_at FROM service_tokens ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with a session that stands."""

    who: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a service's token; never the token."""

    name: str
    role: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def begin_session(
    session: Session, who: str, name: str, roles: Collection[str], lasts: timedelta
) -> str:
    """Sign somebody in; returns what their cookie is to hold. Sessions that ended are removed."""
    session.execute(PURGE)
    secret = secrets.token_urlsafe(32)
    row = {"digest": digest_of(secret), "who": who, "name": name, "roles": sorted(roles)}
    session.execute(BEGIN, {**row, "lasts": lasts})
    return secret


def signed_in(session: Session, secret: str, idle: timedelta) -> SignedIn | None:
    """Whose cookie it is; None: nobody's, or signed out, or it ended, or was not used for `idle`."""
    digest = digest_of(secret)
    asked = {"digest": digest, "idle": idle, "touch": TOUCH_S}
    found = session.execute(SIGNED_IN, asked).one_or_none()
    if found is None:
        return None
    if found.stale:
        session.execute(TOUCH, {"digest": digest})
    return SignedIn(found.who, found.name, tuple(found.roles))


def end_session(session: Session, secret: str) -> None:
    """Sign out. Nothing happens if nobody is signed in."""
    session.execute(END, {"digest": digest_of(secret)})


def issue_token(session: Session, name: str, role: str, lasts: timedelta) -> tuple[str, datetime]:
    """A new token, shown this once, and when it expires.

    Raises `IntegrityError`: one of this name stands, or name or role is none.
    """
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = {"name": name, "role": role, "digest": digest_of(token), "lasts": lasts}
    return token, session.execute(ISSUE, row).scalar_one()


def token_of(session: Session, token: str) -> tuple[str, str] | None:
    """The name and role of a token; None: no such one, or it expired or was revoked."""
    asked = {"digest": digest_of(token), "touch": TOUCH_S}
    found = session.execute(TOKEN, asked).one_or_none()
    if found is None:
        return None
    if found.stale:
        session.execute(USED, {"id": found.id})
    return found.name, found.role


def revoke_token(session: Session, name: str) -> bool:
    """End a token at once; False: none of this name stands."""
    return bool(getattr(session.execute(REVOKE, {"name": name}), "rowcount", 0))


def tokens(session: Session) -> list[Token]:
    """All that were ever made."""
    return [Token(*row) for row in session.execute(TOKENS)]
