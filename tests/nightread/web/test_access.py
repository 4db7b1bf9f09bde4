"""Every route tried with every role and with none: nobody gets more than the table says."""

from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nightread.web.access_table import rows
from nightread.web.principal import Role
from tests.nightread.web.conftest import SignIn

R, S, V, A = Role.READER, Role.SUPERVISOR, Role.SERVICE, Role.AUDITOR
WHO = {
    "nobody": (),
    "reader": (R,),
    "supervisor": (S,),
    "service": (V,),
    "auditor": (A,),
    "identity alone": (Role.IDENTITY,),
    "reader with identity": (R, Role.IDENTITY),
    "auditor with identity": (A, Role.IDENTITY),
}
ALL = frozenset(WHO)
SIGNED_IN = ALL - {"nobody"}
READERS = frozenset({"reader", "supervisor", "reader with identity"})
SEEING = READERS | {"service"}
AUDITORS = frozenset({"auditor", "auditor with identity"})


class Asked(NamedTuple):
    """Who gets an answer, and a request that is in order."""

    who: frozenset[str]
    body: dict[str, Any] = {}  # noqa: RUF012 -- arguments of `request`


STUDY = "/api/v1/studies/{study_uid}"
FORM = {"state": "s", "nonce": "n", "code_challenge": "c"}
DECISION = {"fingerprint": "0", "L": "routine", "score_seen": True}
PAGE = "/studies/{study_uid}"
CALLED = {"fingerprint": "0", "left": "routine", "score_seen": "true"}
ROUTES = {
    ("GET", "/"): Asked(SEEING | AUDITORS),
    ("GET", "/sign-in"): Asked(ALL),
    ("GET", "/sign-in/callback"): Asked(ALL),
    ("POST", "/sign-out"): Asked(SIGNED_IN),
    ("GET", "/signed-out"): Asked(ALL),
    ("GET", "/static"): Asked(ALL),
    ("GET", "/local-provider/.well-known/openid-configuration"): Asked(ALL),
    ("GET", "/local-provider/keys"): Asked(ALL),
    ("GET", "/local-provider/authorize"): Asked(ALL, {"params": FORM}),
    ("POST", "/local-provider/authorize"): Asked(ALL, {"data": {}}),
    ("POST", "/local-provider/token"): Asked(ALL, {"data": {}}),
    ("POST", "/claim"): Asked(READERS, {"data": {}}),
    ("GET", "/worklist/counts"): Asked(READERS),
    ("GET", PAGE): Asked(READERS),
    ("GET", f"{PAGE}/findings"): Asked(READERS),
    ("POST", f"{PAGE}/decision"): Asked(READERS, {"data": CALLED}),
    ("POST", f"{PAGE}/release"): Asked(READERS, {"data": {}}),
    ("GET", f"{PAGE}/images/{{sop_instance_uid}}/{{part}}"): Asked(READERS),
    ("GET", "/overview"): Asked(frozenset({"supervisor"})),
    ("GET", "/api/v1/openapi.json"): Asked(ALL),
    ("GET", "/api/v1/me"): Asked(SIGNED_IN),
    ("GET", "/api/v1/worklist"): Asked(SEEING),
    ("GET", "/api/v1/worklist/counts"): Asked(SEEING),
    ("POST", "/api/v1/claims"): Asked(READERS, {"json": {}}),
    ("GET", STUDY): Asked(SEEING),
    ("GET", f"{STUDY}/history"): Asked(SEEING),
    ("GET", f"{STUDY}/series"): Asked(SEEING),
    ("GET", f"{STUDY}/instances"): Asked(SEEING),
    ("GET", f"{STUDY}/series/{{series_uid}}/instances"): Asked(SEEING),
    ("GET", f"{STUDY}/series/{{series_uid}}/instances/{{sop_instance_uid}}"): Asked(SEEING),
    ("GET", f"{STUDY}/identity"): Asked(frozenset({"reader with identity"})),
    ("DELETE", f"{STUDY}/claim"): Asked(READERS),
    ("GET", f"{STUDY}/decisions"): Asked(READERS),
    ("POST", f"{STUDY}/decisions"): Asked(READERS, {"json": DECISION}),
    ("PUT", f"{STUDY}/read-state"): Asked(
        frozenset({"service", "supervisor"}), {"json": {"state": "unread"}}
    ),
    ("POST", "/api/v1/read-states"): Asked(
        frozenset({"service", "supervisor"}),
        {"content": "study_uid,state\n", "headers": {"content-type": "text/csv"}},
    ),
    ("GET", "/api/v1/sites"): Asked(SEEING),
    ("GET", "/api/v1/sites/{site}/scores"): Asked(SEEING),
    ("GET", "/api/v1/audit"): Asked(AUDITORS),
}
PLACES = {
    "study_uid": "1.2.1",
    "series_uid": "1.2.1.0",
    "sop_instance_uid": "1.2.1.1",
    "site": "unknown",
    "part": "overview",
}


def test_every_route_of_the_application_stands_in_the_table(app: FastAPI) -> None:
    assert {(row.method, row.path) for row in rows(app)} == set(ROUTES)


@pytest.mark.parametrize("who", WHO)
def test_a_role_gets_what_the_table_says_and_nothing_else(
    sign_in: SignIn, stranger: TestClient, who: str
) -> None:
    wrong = {}
    for (method, path), asked in ROUTES.items():
        # Anew each time: one of them signs out.
        client = sign_in(f"access-{who}", *WHO[who]) if WHO[who] else stranger
        answer = client.request(method, path.format(**PLACES), **asked.body)
        refused = answer.status_code in (401, 403) or (
            answer.headers.get("location", "").startswith("/sign-in?next=")
        )
        expected = "answered" if who in asked.who else "refused"
        if answer.status_code >= 500 or refused != (expected == "refused"):
            wrong[method, path] = answer.status_code
    assert not wrong


def test_a_stranger_learns_of_no_study_whether_it_exists(stranger: TestClient) -> None:
    there, nowhere = (stranger.get(f"/api/v1/studies/{uid}") for uid in ("1.2.1", "9.9.9"))
    assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json())
