"""What enemies send is refused in one sentence: never a 5xx, never a value in the answer."""

import base64
import json

import pytest
from fastapi.testclient import TestClient

from nightread.web.principal import Role
from nightread.web.security.headers import LONGEST_BODY
from tests.nightread.web.conftest import SignIn

API = "/api/v1"
STUDY = f"{API}/studies/1.2.3"
NOT_UIDS = ["1.2%00", "%00", "1.2;DROP", "1" * 65, "é", "1.2%2F3", "%0d%0aX: 1", "%ff%fe"]
NOT_INTEGERS = ["0", "-1", "1e3", "9" * 400, "0x10", "١", "1.5", "true", "", "%00"]
NOT_DAYS = [
    "0",
    "2026-13-01",
    "2026-02-30",
    "9" * 30,
    "-1-01-01",
    "2026-1-1",
    "NaN",
    "%00",
    "٢٠٢٦-٠١-٠١",
]


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


NOT_CURSORS = [
    "x",
    "=",
    cursor(),
    cursor(1, 2, 3),
    cursor(float("inf"), 1, 1.0, "1.2"),
    cursor(1, float("nan"), 1.0, "1.2"),
    cursor(1, 1, float("inf"), "1.2"),
    cursor(10**400, 1, 0.0, "1.2"),
    cursor(1, 10**30, 0.0, "1.2"),
    cursor(1, -1, 0.0, "1.2"),
    cursor(1, 1, 10**400, "1.2")[:500],
    cursor(1, 1, 0.0, "\0"),
    cursor(1, 1, 0.0, "\ud800"),
    cursor(1, 1, 0.0, None),
    base64.urlsafe_b64encode(b"[" * 300).decode(),
]


@pytest.fixture
def anybody(sign_in: SignIn) -> TestClient:
    """Who may do everything: nothing is refused for want of a role."""
    return sign_in("enemy", *Role)


def refused(answer: object) -> bool:
    status = getattr(answer, "status_code", 0)
    kind = getattr(answer, "headers", {}).get("content-type")
    return 400 <= status < 500 and status not in (401, 403) and kind == "application/problem+json"


@pytest.mark.parametrize("uid", NOT_UIDS)
def test_what_is_no_uid_is_refused(anybody: TestClient, uid: str) -> None:
    for path in (
        f"{API}/studies/{uid}",
        f"{API}/studies/{uid}/identity",
        f"{STUDY}/series/{uid}/instances",
        f"{STUDY}/series/1.2.3.0/instances/{uid}",
    ):
        answer = anybody.get(path)
        assert refused(answer), (path, answer.status_code)
        assert "DROP" not in answer.text


@pytest.mark.parametrize("cursor", NOT_CURSORS)
def test_what_is_no_cursor_is_refused(anybody: TestClient, cursor: str) -> None:
    assert refused(anybody.get(f"{API}/worklist", params={"after": cursor}))


@pytest.mark.parametrize("number", NOT_INTEGERS)
def test_what_is_no_page_size_is_refused(anybody: TestClient, number: str) -> None:
    assert refused(anybody.get(f"{API}/worklist?limit={number}"))
    assert refused(anybody.get(f"{API}/audit?limit={number}"))
    assert refused(anybody.get(f"{STUDY}/instances?limit={number}"))


def test_no_page_is_larger_than_its_bound(anybody: TestClient) -> None:
    assert refused(anybody.get(f"{API}/worklist?limit=201"))
    assert refused(anybody.get(f"{API}/audit?limit=1001"))
    assert refused(anybody.get(f"{STUDY}/instances?limit=1001"))
    assert refused(anybody.get(f"{API}/audit?after={1 << 63}"))


@pytest.mark.parametrize("day", NOT_DAYS)
def test_what_is_no_day_is_refused(anybody: TestClient, day: str) -> None:
    assert refused(anybody.get(f"{API}/worklist?from={day}"))
    assert refused(anybody.get(f"{API}/sites/unknown/scores?from={day}"))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2024-02-29"])
def test_the_first_and_the_last_day_are_days(anybody: TestClient, day: str) -> None:
    for query in (f"from={day}", f"to={day}", f"from={day}&to={day}"):
        assert anybody.get(f"{API}/worklist?{query}").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"L": "recall"}',
        b'{"fingerprint": "0", "L": "recall", "score_seen": "\\ud800"}',
        b'{"fingerprint": "0", "L": "recall", "score_seen": true, "\\ud800": 1}',
        b'{"fingerprint": "0", "L": "recall", "score_seen": true, "comment": "\\u0000"}',
        b'{"fingerprint": "0", "L": "recall", "score_seen": true, "comment": "\\udc80"}',
        b'{"fingerprint": "\\u0000", "L": "recall", "score_seen": true}',
        b'{"fingerprint": "0", "L": 1' + b"0" * 5000 + b', "score_seen": true}',
        b'{"fingerprint": "0", "score_seen": true}',
        b'{"fingerprint": "0", "L": "recall", "score_seen": true, "reader": "another"}',
    ],
)
def test_a_decision_that_is_none_is_refused(anybody: TestClient, body: bytes) -> None:
    answer = anybody.post(
        f"{STUDY}/decisions", content=body, headers={"content-type": "application/json"}
    )
    assert refused(answer), answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"study_uid,state\n1.2.3",
        b"study_uid,state\n1.2.3,seen\n",
        b"study_uid,state\n=cmd,read\n",
        b"study_uid,state\n1.2.3,read,more\n",
        b'study_uid,state\n"1.2.3,read\n',
        b"study_uid,state\n\xff,read\n",
        b"study_uid,state\n1.2\0,read\n",
        b"study_uid,state\n" + b"1.2.3,read\n" * 10_001,
    ],
)
def test_read_states_that_are_none_are_refused_and_nothing_changes(
    anybody: TestClient, body: bytes
) -> None:
    assert anybody.put(f"{STUDY}/read-state", json={"state": "unread"}).status_code == 204
    good = body.replace(b"study_uid,state\n", b"study_uid,state\n1.2.3,read\n")
    for sent in (body, good):
        answer = anybody.post(
            f"{API}/read-states", content=sent, headers={"content-type": "text/csv"}
        )
        assert refused(answer), answer.text
    assert anybody.get(STUDY).json()["status"] != "read"


def test_a_body_that_is_too_long_is_refused_whatever_it_says_of_its_length(
    anybody: TestClient,
) -> None:
    def parts() -> object:
        for _ in range(LONGEST_BODY // 50_000 + 1):
            yield b"x" * 50_000

    kind = {"content-type": "text/csv"}
    path = f"{API}/read-states"
    assert anybody.post(path, content=b"x" * (LONGEST_BODY + 1), headers=kind).status_code == 413
    assert anybody.post(path, content=parts(), headers=kind).status_code == 413  # type: ignore[arg-type]
    wrong = anybody.post(path, content=b"x", headers={**kind, "content-length": "1e9"})
    assert wrong.status_code == 413


def test_another_host_is_refused(stranger: TestClient) -> None:
    assert stranger.get("/signed-out", headers={"host": "evil.example"}).status_code == 400
