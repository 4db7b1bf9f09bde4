"""`nightread serve` as a person calls it."""

import re
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from nightread.cli.app import app as command
from nightread.errors import ConfigurationError, NightreadError, ServiceError
from nightread.settings import Settings
from nightread.stack.wait import until
from nightread.web.server import listen
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


@pytest.mark.parametrize(
    ("settings", "kind", "named"),
    [
        (LOCAL, ConfigurationError, "NIGHTREAD_WEB_DATABASE_URL is not set"),
        (
            {"NIGHTREAD_WEB_DATABASE_URL": "postgresql://x@127.0.0.1:1/x", **LOCAL},
            ServiceError,
            "check NIGHTREAD_WEB_DATABASE_URL",
        ),
    ],
)
def test_what_keeps_it_from_serving_is_one_sentence(
    settings: dict[str, str], kind: type[NightreadError], named: str
) -> None:
    ended = CliRunner().invoke(command, ["serve"], env=settings)
    assert isinstance(ended.exception, kind)
    assert named in str(ended.exception)


def test_a_port_that_is_taken_is_named(web_database: Database, port: str) -> None:
    settings = {"NIGHTREAD_WEB_DATABASE_URL": web_database.server, "NIGHTREAD_WEB_PORT": port}
    with listen(Settings(web_port=int(port))):
        ended = CliRunner().invoke(command, ["serve"], env=settings | LOCAL)
    assert isinstance(ended.exception, ConfigurationError)
    assert "NIGHTREAD_WEB_PORT" in str(ended.exception)
