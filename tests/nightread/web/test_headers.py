"""What a browser is told with every answer."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nightread.errors import ConfigurationError
from nightread.settings import Settings
from nightread.web.app import create_app
from nightread.web.principal import Role
from nightread.web.security import cookies
from nightread.web.services import Services
from tests.nightread.web.conftest import SignIn

EVERYWHERE = [
    "/signed-out",
    "/",
    "/nowhere",
    "/api/v1/me",
    "/api/v1/nowhere",
    "/api/v1/openapi.json",
    "/static/nowhere.js",
]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_carries_the_policy(stranger: TestClient, path: str) -> None:
    headers = stranger.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_no_cache_keeps_what_is_not_static(sign_in: SignIn) -> None:
    anna = sign_in("anna", Role.READER)
    for path in ("/", "/api/v1/worklist", "/api/v1/studies/1.2.1"):
        assert anna.get(path).headers["cache-control"] == "no-store"


def test_the_cookie_is_for_this_host_over_https_and_no_script(web_settings: Settings) -> None:
    app = create_app(
        web_settings.model_copy(
            update={
                "web_public_url": "https://worklist.example",
                "oidc_issuer": "https://login.example",
                "oidc_client_id": "nightread",
            }
        )
    )
    services: Services = app.state.services
    from starlette.responses import Response  # noqa: PLC0415

    answer = Response()
    cookies.set_secret(answer, services, "secret")
    said = answer.headers["set-cookie"]
    assert said == "__Host-nightread=secret; HttpOnly; Path=/; SameSite=lax; Secure"
    client = TestClient(app, base_url="https://worklist.example")
    assert "strict-transport-security" in client.get("/signed-out").headers
    services.close()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"web_public_url": "http://worklist.example"}, "NIGHTREAD_WEB_PUBLIC_URL"),
        ({"web_host": "0.0.0.0"}, "NIGHTREAD_WEB_PUBLIC_URL"),
        ({"web_public_url": "https://worklist.example"}, "NIGHTREAD_WEB_LOCAL_SIGN_IN"),
        (
            {"web_host": "0.0.0.0", "web_public_url": "https://worklist.example"},
            "NIGHTREAD_WEB_LOCAL_SIGN_IN",
        ),
        (
            {"web_host": "0.0.0.0", "web_public_url": "http://127.0.0.1:8090"},
            "NIGHTREAD_WEB_LOCAL_SIGN_IN",
        ),
        ({"web_local_sign_in": False}, "NIGHTREAD_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example"}, "NIGHTREAD_OIDC_CLIENT_ID"),
        ({"oidc_issuer": "http://login.example", "oidc_client_id": "x"}, "NIGHTREAD_OIDC_ISSUER"),
        ({"web_database_url": None}, "NIGHTREAD_WEB_DATABASE_URL"),
    ],
)
def test_a_server_that_would_let_strangers_in_does_not_start(
    web_settings: Settings, changed: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        create_app(web_settings.model_copy(update=changed))


def test_a_key_that_could_be_guessed_is_refused(web_settings: Settings, tmp_path: Path) -> None:
    key = tmp_path / "web.key"
    key.write_text("short\n")
    with pytest.raises(ConfigurationError, match="NIGHTREAD_WEB_KEY_FILE"):
        create_app(web_settings.model_copy(update={"web_key_file": key}))


def test_who_asks_too_often_is_told_to_wait(web_settings: Settings) -> None:
    app = create_app(web_settings.model_copy(update={"web_requests_per_minute": 30}))
    client = TestClient(app, base_url=app.state.services.public_url)
    answers = [client.get("/api/v1/me") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["retry-after"] == "60"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert client.get("/signed-out").status_code == 200  # what costs nothing is still there
    app.state.services.close()


def test_a_person_who_asks_too_often_holds_up_nobody_else(
    web_settings: Settings, sign_in: SignIn, app: FastAPI
) -> None:
    busy, calm = sign_in("busy", Role.READER), sign_in("calm", Role.READER)
    small = create_app(web_settings.model_copy(update={"web_requests_per_minute": 3}))
    kept, app.state.limits = app.state.limits, small.state.limits
    try:
        assert [busy.get("/api/v1/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert calm.get("/api/v1/me").status_code == 200
    finally:
        app.state.limits = kept
        small.state.services.close()
