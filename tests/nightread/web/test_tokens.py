"""Programs sign in with tokens: kept as digests, bound to a role, ended by time or by a word."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from nightread.cli.app import app as command
from nightread.errors import UsageError
from tests.nightread.web.conftest import Database

Tokens = Callable[..., Result]


@pytest.fixture
def tokens(web_database: Database) -> Tokens:
    """`nightread tokens …` as the schema's owner."""
    env = {"NIGHTREAD_MIGRATION_DATABASE_URL": web_database.owner}
    return lambda *words: CliRunner().invoke(command, ["tokens", *words], env=env)


def me(client: TestClient, token: str) -> int:
    return client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code


def sql(database: Database, statement: str) -> list[object]:
    with create_engine(database.owner, poolclass=NullPool).begin() as connection:
        found = connection.execute(text(statement))
        return list(found.scalars()) if found.returns_rows else []


def test_a_token_lets_its_program_in_under_its_role_until_it_is_revoked(
    tokens: Tokens, stranger: TestClient, web_database: Database
) -> None:
    token = tokens("issue", "ris", "--role", "service").stdout.strip()
    answer = stranger.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
    assert answer.json() == {"who": "service:ris", "name": "ris", "roles": ["service"]}
    assert sql(
        web_database, "SELECT used_at IS NOT NULL FROM service_tokens WHERE name = 'ris'"
    ) == [True]
    assert tokens("revoke", "ris").exit_code == 0
    assert me(stranger, token) == 401
    assert tokens("issue", "ris").exit_code == 0  # the name is free again


def test_a_token_expires(tokens: Tokens, stranger: TestClient, web_database: Database) -> None:
    token = tokens("issue", "old", "--days", "1").stdout.strip()
    assert me(stranger, token) == 200
    sql(
        web_database,
        "UPDATE service_tokens SET made_at = now() - interval '2 days', expires_at = now()"
        " WHERE name = 'old'",
    )
    assert me(stranger, token) == 401


def test_the_database_holds_no_token(
    tokens: Tokens, stranger: TestClient, web_database: Database
) -> None:
    token = tokens("issue", "kept").stdout.strip()
    assert me(stranger, token) == 200
    rows = sql(
        web_database, "SELECT t::text FROM service_tokens t UNION ALL SELECT a::text FROM audit a"
    )
    assert any("kept" in str(row) for row in rows)
    assert not any(token in str(row) or token[-20:] in str(row) for row in rows)


@pytest.mark.parametrize("name", ["Ris", "", "a b", "x" * 65, "né", "-x", "service:x"])
def test_a_name_that_would_mislead_the_audit_is_refused(tokens: Tokens, name: str) -> None:
    assert isinstance(tokens("issue", "--", name).exception, UsageError)


def test_a_name_stands_once(tokens: Tokens) -> None:
    assert tokens("issue", "twice").exit_code == 0
    assert isinstance(tokens("issue", "twice").exception, UsageError)
    assert isinstance(tokens("revoke", "never").exception, UsageError)


def test_no_token_sees_whose_a_study_is(tokens: Tokens) -> None:
    assert tokens("issue", "curious", "--role", "identity").exit_code == 2


def test_issuing_and_revoking_are_in_the_audit(tokens: Tokens, web_database: Database) -> None:
    tokens("issue", "noted", "--role", "auditor", "--days", "7")
    tokens("revoke", "noted")
    assert sql(
        web_database, "SELECT action FROM audit WHERE detail ->> 'name' = 'noted' ORDER BY id"
    ) == ["token_issued", "token_revoked"]


@pytest.mark.parametrize("token", ["", "x", "nightread_", "\x7f" * 50, "a" * 8000])
def test_what_is_no_token_is_refused(stranger: TestClient, token: str) -> None:
    assert me(stranger, token) == 401
