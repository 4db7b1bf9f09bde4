"""The application over a database of its own, in this process and as a server."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import credentials, migrate, results
from db.runs import Prefix, register_release, start
from mammo.codes import Level
from nightread.settings import Settings
from nightread.stack import logins, postgres
from nightread.stack.wait import until
from nightread.web.app import create_app
from nightread.web.principal import Role
from nightread.web.security import cookies, csrf
from nightread.web.server import listen, server_of
from tests.db.archive import planned, put_studies, scored

RELEASE = "b" * 64
PREFIX = Prefix("archive", "web/")
SignIn = Callable[..., TestClient]


class Database(NamedTuple):
    """Migrated, with the logins of a stack."""

    owner: str  # SQLAlchemy URLs
    server: str
    registrar: str
    archivist: str


@pytest.fixture(scope="session")
def web_database(postgres_url: str) -> Iterator[Database]:
    """Holds the studies 1.2.1 to 1.2.6: 1 to 4 scored, 5 and 6 pending."""
    owner = make_url(postgres_url)
    passfile = Path(str(owner.query["passfile"]))
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE web_test")
    mine = owner.set(database="web_test").render_as_string(hide_password=False)
    migrate.upgrade(mine)
    logins.make_members(f"postgresql://{owner.host}:{owner.port}", passfile)

    def login(name: str) -> str:
        return make_url(mine).set(username=name).render_as_string(hide_password=False)

    fill(mine)
    yield Database(mine, login(postgres.SERVER), login(postgres.IDENTITY), login(postgres.AUDIT))
    with server.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE web_test WITH (FORCE)")
    server.dispose()


def fill(url: str) -> None:
    """A small archive, screened in part."""
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        register_release(session, RELEASE, "web", {"name": "web"})
        run = start(session, PREFIX, RELEASE, "0.1.0", "host:1")
        put_studies(session, run, range(1, 7))
        for study in range(1, 5):
            results.record(
                session, run.id, scored(planned(session, run, study), 0.9 - study / 10, Level.SOON)
            )


@pytest.fixture(scope="session")
def web_settings(web_database: Database) -> Settings:
    """Of a server on a free port of this machine."""
    return Settings(
        web_database_url=web_database.server,
        identity_database_url=web_database.registrar,
        audit_database_url=web_database.archivist,
        web_local_sign_in=True,
        web_port=_free_port(),
        web_requests_per_minute=100_000,
    )


def _free_port() -> int:
    with listen(Settings(web_port=0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def app(web_settings: Settings) -> Iterator[FastAPI]:
    app = create_app(web_settings)
    yield app
    app.state.services.close()


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    """Nobody is signed in."""
    return TestClient(app, base_url=app.state.services.public_url, follow_redirects=False)


@pytest.fixture
def sign_in(app: FastAPI) -> SignIn:
    """`sign_in("anna", Role.READER)`: a client with a session's cookie, and its CSRF token."""

    def signed_in(who: str, *roles: Role) -> TestClient:
        services = app.state.services
        with services.session() as session:
            secret = credentials.begin_session(session, who, who.title(), roles, timedelta(hours=1))
        return TestClient(
            app,
            base_url=services.public_url,
            cookies={cookies.name_of(services): secret},
            headers={csrf.HEADER: csrf.token_of(secret)},
            follow_redirects=False,
        )

    return signed_in


@pytest.fixture(scope="session")
def server(app: FastAPI, web_settings: Settings) -> Iterator[str]:
    """The address of the application as `nightread serve` runs it."""
    running = server_of(app, web_settings)
    with listen(web_settings) as listening:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        until(lambda: running.started, 10)
        yield app.state.services.public_url
        running.should_exit = True
        thread.join(20)
