"""`nightread serve` as a person calls it."""

import re
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import make_url

from nightread.errors import ConfigurationError, ServiceError, UsageError
from nightread.settings import Settings
from nightread.stack.wait import until
from nightread.web.server import check_database, listen
from nightread.web.services import open_services
from tests.calls import NIGHTREAD, environment
from tests.nightread.web.conftest import Database

LOCAL = {"NIGHTREAD_WEB_LOCAL_SIGN_IN": "true"}


@pytest.fixture
def port() -> str:
    with listen(Settings(web_port=0)) as probe:
        return str(probe.getsockname()[1])


def test_it_serves_until_it_is_stopped(web_database: Database, port: str, tmp_path: Path) -> None:
    settings = {
        "NIGHTREAD_WEB_DATABASE_URL": web_database.server,
        "NIGHTREAD_WEB_PORT": port,
        "NIGHTREAD_LOG_FORMAT": "json",
        **LOCAL,
    }
    said = tmp_path / "said"
    with said.open("w") as err:
        server = subprocess.Popen(
            [NIGHTREAD, "serve"], env=environment(**settings), cwd=tmp_path, stderr=err
        )
    try:
        assert until(lambda: "Worklist: " in said.read_text() or server.poll() is not None, 60)
        url, code = re.findall(r"Worklist: (\S+) \(to sign in: (\w+)\)", said.read_text())[0]
        assert url == f"http://127.0.0.1:{port}/"
        assert len(code) == 12
        answer = httpx2.get(f"{url}api/v1/studies/1.2.1")
        assert answer.status_code == 401
        assert "server" not in answer.headers
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM)
    # A line a request, and no address in it.
    assert '"status": 401' in said.read_text()
    assert "1.2.1" not in said.read_text()


def test_a_database_that_is_not_there_is_named(web_settings: Settings) -> None:
    away = {"web_database_url": "postgresql+psycopg2://x@127.0.0.1:1/x"}
    services = open_services(web_settings.model_copy(update=away))
    with pytest.raises(ServiceError, match="check NIGHTREAD_WEB_DATABASE_URL"):
        check_database(services)


def test_a_database_without_the_tables_is_named(
    web_settings: Settings, web_database: Database
) -> None:
    bare = (
        make_url(web_database.owner).set(database="postgres").render_as_string(hide_password=False)
    )
    services = open_services(web_settings.model_copy(update={"web_database_url": bare}))
    with pytest.raises(UsageError, match="nightread db upgrade"):
        check_database(services)
    services.close()


def test_a_port_that_is_taken_is_named() -> None:
    with listen(Settings(web_port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="NIGHTREAD_WEB_PORT"):
            listen(Settings(web_port=port))
