"""The pages in a real Chromium, over a night that the real job screened."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import credentials, migrate
from nightread.settings import Settings
from nightread.stack import logins, postgres, seaweedfs, throwaway
from nightread.stack.proofs import s3_client
from nightread.stack.wait import until
from nightread.web.app import create_app
from nightread.web.principal import Role
from nightread.web.security import cookies, csrf
from nightread.web.server import listen, server_of
from tests.nightread.web.pages import night

PLACES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class Screened(NamedTuple):
    """A server over a screened night."""

    address: str
    app: FastAPI
    owner: Engine  # for what no page may do


@pytest.fixture(scope="session")
def screened(
    postgres_url: str, s3: throwaway.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Screened]:
    """The night of `tests.nightread.web.pages.night`, at a site that asks for one reader."""
    base = make_url(postgres_url)
    root = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with root.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE web_pages")
    mine = base.set(database="web_pages")
    url = mine.render_as_string(hide_password=False)
    migrate.upgrade(url)
    logins.make_members(f"postgresql://{base.host}:{base.port}", Path(str(base.query["passfile"])))
    folder = tmp_path_factory.mktemp("identities")
    seaweedfs.make_credentials(s3.credentials_file, folder / "reader", folder / "previews")
    admin = seaweedfs.read_credentials(s3.credentials_file, seaweedfs.ADMIN)
    owner = create_engine(url, poolclass=NullPool)
    with Session(owner) as session, session.begin():
        night.fill(session, s3_client(s3.endpoint_url, admin), "{}")
    with listen(Settings(web_port=0)) as probe:
        port: int = probe.getsockname()[1]
    settings = Settings(
        web_database_url=mine.set(username=postgres.SERVER).render_as_string(hide_password=False),
        identity_database_url=mine.set(username=postgres.IDENTITY).render_as_string(
            hide_password=False
        ),
        web_local_sign_in=True,
        web_port=port,
        web_requests_per_minute=100_000,
        s3_endpoint_url=s3.endpoint_url,
        s3_credentials_file=folder / "reader",
        previews_url=f"s3://{seaweedfs.PREVIEWS}/",
        previews_s3_credentials_file=folder / "previews",
        pacs_viewer_url="https://pacs.example/?study={study_uid}&an={accession_number}",
    )
    app = create_app(settings)
    running = server_of(app, settings)
    with listen(settings) as listening:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        assert until(lambda: running.started, 30)
        yield Screened(app.state.services.public_url, app, owner)
        running.should_exit = True
        thread.join(30)
    with root.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE web_pages WITH (FORCE)")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, PLACES)), None)
    if found is None:
        pytest.skip("environment: no Chromium: apt-get install chromium-headless-shell")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=found, args=["--disable-dev-shm-usage", "--force-color-profile=srgb"]
        )
        yield browser
        browser.close()


@pytest.fixture
def person(screened: Screened) -> Callable[..., TestClient]:
    """`person("anna", Role.READER)`: what somebody's browser asks for, without a browser."""

    def signed_in(who: str, *roles: Role) -> TestClient:
        services = screened.app.state.services
        with services.session() as session:
            secret = credentials.begin_session(session, who, who.title(), roles, timedelta(hours=1))
        return TestClient(
            screened.app,
            base_url=services.public_url,
            cookies={cookies.name_of(services): secret},
            headers={csrf.HEADER: csrf.token_of(secret)},
            follow_redirects=False,
        )

    return signed_in


class Visit(NamedTuple):
    """A page of somebody who is signed in, and all that its browser complained of."""

    page: Any
    complaints: list[str]


@pytest.fixture
def visit(chromium: Any, screened: Screened) -> Iterator[Callable[..., Visit]]:
    """`visit("anna", Role.READER)`: a browser window with a session's cookie."""
    contexts = []

    def opened(who: str, *roles: Role, **options: Any) -> Visit:
        services = screened.app.state.services
        with services.session() as session:
            secret = credentials.begin_session(session, who, who.title(), roles, timedelta(hours=1))
        context = chromium.new_context(
            **{"viewport": {"width": 1600, "height": 1000}, "color_scheme": "dark", **options}
        )
        contexts.append(context)
        context.add_cookies(
            [{"name": cookies.name_of(services), "value": secret, "url": screened.address}]
        )
        page, complaints = context.new_page(), []
        page.set_default_timeout(60_000)
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return Visit(page, complaints)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    import axe_playwright_python  # noqa: PLC0415 -- with the browser alone

    source = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
    assert re.match(r"/\*! axe v4", source)
    return source
