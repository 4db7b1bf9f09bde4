"""What people see and do is in the audit, which the server can't alter and which leaves signed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from db.audit import Entry
from nightread.audit_file import new_key, private_key, signed, verify
from nightread.cli.app import app as command
from nightread.errors import ConfigurationError, Refused
from nightread.web.principal import Role
from tests.nightread.web.conftest import Database, SignIn

SAID = text(
    "SELECT a.action, s.pseudonym, a.detail FROM audit a LEFT JOIN studies s ON s.id = a.study_id"
    " WHERE a.who = :who ORDER BY a.id"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def said(database: Database, who: str) -> list[tuple[object, ...]]:
    engine = create_engine(database.owner, poolclass=NullPool)
    with Session(engine) as session:
        return [tuple(row) for row in session.execute(SAID, {"who": who})]


def test_every_look_at_a_study_is_noted(sign_in: SignIn, web_database: Database) -> None:
    reader = sign_in("looks", Role.READER, Role.IDENTITY)
    study = "/api/v1/studies/1.2.2"
    whats = {
        study: "study",
        f"{study}/history": "history",
        f"{study}/series": "images",
        f"{study}/instances": "images",
        f"{study}/series/1.2.2.0/instances": "images",
        f"{study}/series/1.2.2.0/instances/1.2.2.1": "images",
        f"{study}/identity": "identity",
        f"{study}/decisions": "decisions",
    }
    for path in whats:
        assert reader.get(path).status_code == 200, path
    assert said(web_database, "looks") == [
        ("viewed", "s_2", {"what": what}) for what in whats.values()
    ]


def test_a_case_that_was_claimed_decided_and_marked_is_noted(
    sign_in: SignIn, web_database: Database
) -> None:
    reader, ris = sign_in("decides", Role.READER), sign_in("marks", Role.SERVICE)
    claim = reader.post("/api/v1/claims").json()
    study = f"/api/v1/studies/{claim['study_uid']}"
    asked = {"fingerprint": claim["fingerprint"], "L": "routine", "R": "recall", "score_seen": True}
    assert reader.post(f"{study}/decisions", json=asked).json()["complete"]
    assert ris.put(f"{study}/read-state", json={"state": "unread"}).status_code == 204
    assert [action for action, *_ in said(web_database, "decides")] == ["claimed", "decided"]
    assert [action for action, *_ in said(web_database, "marks")] == ["marked_unread"]


def test_without_an_entry_there_is_no_answer(sign_in: SignIn, web_database: Database) -> None:
    reader = sign_in("unseen", Role.READER, Role.IDENTITY)
    engine = create_engine(web_database.owner, poolclass=NullPool)
    revoke, grant = (
        text(f"{verb} INSERT ON audit {to} nightread_reader")
        for verb, to in (("REVOKE", "FROM"), ("GRANT", "TO"))
    )
    with engine.begin() as owner:
        owner.execute(revoke)
    try:
        answer = reader.get("/api/v1/studies/1.2.2/identity")
    finally:
        with engine.begin() as owner:
            owner.execute(grant)
    assert answer.status_code == 500
    assert "Planted" not in answer.text


@pytest.mark.parametrize("role", [None, *(role for role in Role if role is not Role.IDENTITY)])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "UPDATE decisions SET comment = 'x'",
        "DELETE FROM decisions",
        "INSERT INTO service_tokens (name, role, digest, expires_at) SELECT 'x', 'reader', digest, ends_at FROM web_sessions",
        "SELECT * FROM identity.patients",
        "SELECT * FROM identity.orders",
        "SELECT key FROM objects",
    ],
)
def test_the_server_alters_nothing_of_what_happened_in_any_role(
    web_database: Database, role: Role | None, statement: str
) -> None:
    engine = create_engine(web_database.server, poolclass=NullPool)
    with Session(engine) as session:
        if role is not None:
            session.execute(
                text("SELECT set_config('role', :role, true)"), {"role": f"nightread_{role}"}
            )
        with pytest.raises(ProgrammingError) as error:
            session.execute(text(statement))
    assert getattr(error.value.orig, "pgcode", None) == "42501"


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.AUDITOR, "SELECT study_uid FROM studies"),
        (Role.AUDITOR, "SELECT * FROM worklist"),
        (Role.AUDITOR, "SELECT * FROM decisions"),
        (Role.SERVICE, "INSERT INTO claims (study_id, reader, until) VALUES (1, 'x', now())"),
        (Role.SERVICE, "SELECT * FROM audit"),
        (Role.SERVICE, "SELECT * FROM web_sessions"),
        (Role.READER, "SELECT * FROM web_sessions"),
        (Role.READER, "SELECT * FROM service_tokens"),
        (Role.SUPERVISOR, "SELECT * FROM audit"),
        (Role.SUPERVISOR, "UPDATE sites SET settings = '{}'"),
        (None, "SELECT * FROM studies"),
        (None, "SELECT * FROM audit"),
        (None, "INSERT INTO decisions (study_id) VALUES (1)"),
    ],
)
def test_a_role_of_the_database_has_only_the_rights_that_it_needs(
    web_database: Database, role: Role | None, statement: str
) -> None:
    engine = create_engine(web_database.server, poolclass=NullPool)
    with Session(engine) as session:
        if role is not None:
            session.execute(
                text("SELECT set_config('role', :role, true)"), {"role": f"nightread_{role}"}
            )
        with pytest.raises(ProgrammingError) as error:
            session.execute(text(statement))
    assert getattr(error.value.orig, "pgcode", None) == "42501"


def entries(number: int) -> Iterator[Entry]:
    for n in range(1, number + 1):
        at = datetime(2026, 11, 26, 12, n, tzinfo=UTC)
        yield Entry(n, at, f"réader {n % 2}", "viewed", n, f"s_{n}", {"n": n}, "", "ab" * 32)


@pytest.fixture
def lines() -> list[bytes]:
    at = datetime(2026, 11, 26, 13, tzinfo=UTC)
    return [f"{line}\n".encode() for line in signed(entries(5), KEY, at, 0)]


def test_an_export_that_nobody_touched_is_whole(lines: list[bytes]) -> None:
    assert verify(lines, KEY.public_key()) == 5


@pytest.mark.parametrize("number", range(7))
def test_a_changed_line_is_found_by_its_number(lines: list[bytes], number: int) -> None:
    held = json.loads(lines[number])
    for part in ("begin", "entry", "end"):
        if part in held:
            held[part]["who"] = "somebody else"
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    lines[number] = text.encode() + b"\n"
    with pytest.raises(Refused, match=f"Line {number + 1} was changed"):
        verify(lines, KEY.public_key())


@pytest.mark.parametrize("number", range(7))
def test_any_other_byte_is_found(lines: list[bytes], number: int) -> None:
    for place in range(0, len(lines[number]) - 1, 17):
        changed = bytearray(lines[number])
        changed[place] ^= 1
        with pytest.raises(Refused, match=f"ine {number + 1} "):
            verify([*lines[:number], bytes(changed), *lines[number + 1 :]], KEY.public_key())


@pytest.mark.parametrize("number", range(1, 6))
def test_a_line_that_was_taken_away_or_moved_is_found(lines: list[bytes], number: int) -> None:
    with pytest.raises(Refused, match=f"Before line {number + 1}"):
        verify(lines[:number] + lines[number + 1 :], KEY.public_key())
    if number < 5:
        lines[number : number + 2] = lines[number + 1], lines[number]
        with pytest.raises(Refused, match=f"Before line {number + 1}"):
            verify(lines, KEY.public_key())


@pytest.mark.parametrize("left", range(7))
def test_a_file_that_was_cut_is_found(lines: list[bytes], left: int) -> None:
    with pytest.raises(Refused, match="cut"):
        verify(lines[:left], KEY.public_key())


def test_what_follows_the_end_is_found(lines: list[bytes]) -> None:
    with pytest.raises(Refused, match="Line 8 was added"):
        verify([*lines, lines[3]], KEY.public_key())


def test_another_key_does_not_do(lines: list[bytes]) -> None:
    with pytest.raises(Refused, match=r"Line 1 .*another key"):
        verify(lines, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("text", [b"", b"[", b"1", b"null", b"[" * 100_000, b"\xff", b"{}"])
def test_rubbish_is_refused_with_its_line(text: bytes) -> None:
    with pytest.raises(Refused, match=r"[Ll]ine 1 "):
        verify([text], KEY.public_key())


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(new_key())
    private_key(key)
    key.write_text("no key")
    with pytest.raises(ConfigurationError, match="no private Ed25519 key"):
        private_key(key)


def test_the_commands_take_the_audit_away_and_find_what_was_changed(
    web_database: Database, tmp_path: Path, sign_in: SignIn
) -> None:
    assert sign_in("exported", Role.READER).get("/api/v1/studies/1.2.1").status_code == 200
    (tmp_path / "key").write_bytes(new_key())
    env = {
        "NIGHTREAD_AUDIT_DATABASE_URL": web_database.archivist,
        "NIGHTREAD_AUDIT_KEY_FILE": str(tmp_path / "key"),
    }

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, ["audit", *words], env=env)

    done = run("export", "--settle", "0")
    assert (done.exit_code, done.stderr) == (0, "")
    file = tmp_path / "audit.jsonl"
    file.write_text(done.stdout)
    assert '"who":"exported"' in done.stdout
    assert "Planted" not in done.stdout
    number = len(done.stdout.splitlines()) - 2
    counted = "1 entry" if number == 1 else f"{number} entries"  # others' too, if they ran before
    assert run("verify", str(file)).stdout == f"{counted}, whole and unchanged.\n"
    file.write_text(done.stdout.replace('"who":"exported"', '"who":"innocent"'))
    number = next(n for n, line in enumerate(done.stdout.splitlines(), 1) if "exported" in line)
    refused = run("verify", str(file)).exception
    assert isinstance(refused, Refused)
    assert f"Line {number} was changed" in str(refused)
