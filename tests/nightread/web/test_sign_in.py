"""People sign in by OpenID Connect, with a code, PKCE, state and nonce; sessions end."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from nightread.web.principal import Role
from tests.nightread.web.conftest import Database, SignIn


def form_of(answer: httpx2.Response) -> dict[str, str]:
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: query[name][0] for name in ("state", "nonce", "code_challenge")}


def test_a_reader_signs_in_through_the_provider_and_comes_back_to_the_page(
    server: str, app: FastAPI
) -> None:
    with httpx2.Client(base_url=server) as browser:
        asked = browser.get("/?level=soon")
        assert asked.headers["location"] == "/sign-in?next=%2F%3Flevel%3Dsoon"
        away = browser.get(asked.headers["location"])
        form = form_of(away)
        assert parse_qs(urlsplit(away.headers["location"]).query)["code_challenge_method"] == [
            "S256"
        ]
        form |= {"who": "anna", "role": "reader", "code": app.state.local_provider.code}
        granted = browser.post("/local-provider/authorize", data=form)
        back = browser.get(granted.headers["location"])
        assert (back.status_code, back.headers["location"]) == (303, "/?level=soon")
        me = browser.get("/api/v1/me").json()
        assert me == {"who": "anna", "name": "anna", "roles": ["reader"]}
        again = browser.get(granted.headers["location"])
        assert again.status_code == 400


def test_the_local_provider_believes_only_who_has_the_code(server: str) -> None:
    with httpx2.Client(base_url=server) as browser:
        form = form_of(browser.get("/sign-in")) | {"who": "eve", "role": "supervisor", "code": "0"}
        assert browser.post("/local-provider/authorize", data=form).status_code == 403


def test_a_code_is_of_no_use_without_the_browser_that_began(server: str, app: FastAPI) -> None:
    with httpx2.Client(base_url=server) as victim, httpx2.Client(base_url=server) as thief:
        form = form_of(thief.get("/sign-in"))
        form |= {"who": "thief", "role": "reader", "code": app.state.local_provider.code}
        granted = thief.post("/local-provider/authorize", data=form)
        assert victim.get(granted.headers["location"]).status_code == 400
        assert victim.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example", "/\\evil", "/\tx", "/" + "x" * 2000]
)
def test_nobody_is_sent_to_another_site_after_signing_in(
    server: str, app: FastAPI, where: str
) -> None:
    with httpx2.Client(base_url=server) as browser:
        form = form_of(browser.get("/sign-in", params={"next": where}))
        form |= {"who": "anna", "role": "reader", "code": app.state.local_provider.code}
        granted = browser.post("/local-provider/authorize", data=form)
        assert browser.get(granted.headers["location"]).headers["location"] == "/"


def test_a_session_ends_by_signing_out_even_for_a_copied_cookie(sign_in: SignIn) -> None:
    anna = sign_in("anna", Role.READER)
    copied = dict(anna.cookies)
    assert anna.get("/api/v1/me").status_code == 200
    assert anna.post("/sign-out").status_code == 303
    anna.cookies.update(copied)
    assert anna.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("column", ["ends_at", "seen_at"])
def test_a_session_ends_by_itself(sign_in: SignIn, web_database: Database, column: str) -> None:
    who = f"bert-{column}"
    bert = sign_in(who, Role.READER)
    assert bert.get("/api/v1/me").status_code == 200
    past = "begun_at + interval '1 us'" if column == "ends_at" else "now() - interval '31 minutes'"
    with create_engine(web_database.owner).begin() as connection:
        connection.execute(
            text(f"UPDATE web_sessions SET {column} = {past} WHERE who = :who"), {"who": who}
        )
    assert bert.get("/api/v1/me").status_code == 401


def test_a_change_with_a_cookie_alone_is_refused(sign_in: SignIn) -> None:
    anna = sign_in("anna", Role.READER)
    del anna.headers["x-csrf-token"]
    assert anna.post("/sign-out").status_code == 403
    assert anna.post("/sign-out", data={"csrf_token": "x"}).status_code == 403
    assert anna.get("/api/v1/me").status_code == 200


def test_a_change_from_another_origin_is_refused(sign_in: SignIn) -> None:
    anna = sign_in("anna", Role.READER)
    refused = anna.post("/sign-out", headers={"origin": "https://evil.example"})
    assert refused.status_code == 403


def test_a_stranger_is_told_to_sign_in(stranger: TestClient) -> None:
    page = stranger.get("/")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2F")
    answer = stranger.get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
