"""Who may log in to the stack's PostgreSQL, and how they do it without showing a password."""

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection, encrypt_password
from sqlalchemy import URL

from nightread.stack.ports import HOST
from nightread.stack.postgres import (
    AUDIT,
    DATABASE,
    ERASURE,
    IDENTITY,
    JOB,
    OWNER,
    SERVER,
    password,
)

# Group roles that the migrations make: what each login may do.
GROUPS = {
    JOB: "nightread_app",
    IDENTITY: "nightread_identity",
    ERASURE: "nightread_erasure",
    SERVER: "nightread_web",
    AUDIT: "nightread_auditor",
}
# What the server may do only while it answers somebody who has the role.
TAKEN_ON = (
    "nightread_reader",
    "nightread_supervisor",
    "nightread_service",
    "nightread_auditor",
    "nightread_previews",
)


def login_url(url: str, login: str, passfile: Path) -> str:
    """The SQLAlchemy URL of a login; the password stays in its file."""
    return URL.create(
        "postgresql+psycopg2",
        username=login,
        host=HOST,
        port=urlsplit(url).port,
        database=DATABASE,
        query={"passfile": str(passfile.absolute())},
    ).render_as_string()


def connect(url: str, login: str, passfile: Path, database: str = DATABASE) -> connection:
    """A psycopg2 connection of a login to the server at `url`, in autocommit."""
    session = psycopg2.connect(
        host=HOST,
        port=urlsplit(url).port,
        user=login,
        dbname=database,
        passfile=str(passfile),
        connect_timeout=5,
    )
    session.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    return session


def make_database(url: str, passfile: Path) -> None:
    """Create the database, once."""
    with contextlib.closing(connect(url, OWNER, passfile, "postgres")) as c, c.cursor() as query:
        query.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if query.fetchone() is None:
            query.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def make_members(url: str, passfile: Path) -> None:
    """Create the logins of `GROUPS`, each a member of its group role.

    The server is given SCRAM verifiers: the passwords themselves never travel nor reach a log.
    """
    with contextlib.closing(connect(url, OWNER, passfile)) as c, c.cursor() as query:
        for login, group in GROUPS.items():
            query.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,))
            verifier = encrypt_password(password(passfile, login), login, c, "scram-sha-256")
            change = "ALTER" if query.fetchone() else "CREATE"
            statement = sql.SQL(change + " ROLE {} LOGIN PASSWORD %s")
            query.execute(statement.format(sql.Identifier(login)), (verifier,))
            grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login))
            query.execute(grant)
        for role in TAKEN_ON:
            lent = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
            query.execute(lent.format(sql.Identifier(role), sql.Identifier(SERVER)))
