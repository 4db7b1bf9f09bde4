"""The API does what its OpenAPI document says, asked by schemathesis with all that it allows."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import credentials
from nightread.web.principal import Role
from tests.nightread.web.conftest import Database

CONFIG = Path(__file__).parent / "schemathesis.toml"
ANY_ROLE = [role for role in Role if role is not Role.IDENTITY]
# Some random requests a route; the slow test adds each bound of the document, and sequences.
FEW = "--phases=examples,fuzzing"
NUMBERS = count()
Token = Callable[[Role], dict[str, str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def schemathesis(server: str, tmp_path: Path) -> Run:
    """`schemathesis run` against the running server, with headers and options."""

    def run(
        headers: dict[str, str], *options: str, examples: int
    ) -> "subprocess.CompletedProcess[str]":
        sent: Sequence[str] = [f"--header={name}: {value}" for name, value in headers.items()]
        return subprocess.run(
            [
                *(str(Path(sys.executable).parent / "schemathesis"), f"--config-file={CONFIG}"),
                *("run", f"{server}/api/v1/openapi.json", f"--url={server}", *sent),
                *("--seed=1", f"--max-examples={examples}", "--no-color", *options),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


@pytest.fixture
def token(web_database: Database) -> Callable[[Role], dict[str, str]]:
    """`token(role)`: the header of a service that has it."""

    def issued(role: Role) -> dict[str, str]:
        engine = create_engine(web_database.owner, poolclass=NullPool)
        with Session(engine) as session, session.begin():
            name = f"schema-{next(NUMBERS)}"
            word, _ = credentials.issue_token(session, name, role, timedelta(hours=1))
        return {"Authorization": f"Bearer {word}"}

    return issued


def test_the_api_does_what_its_document_says(schemathesis: Run, token: Token) -> None:
    ran = schemathesis(token(Role.SUPERVISOR), "--exclude-path-regex=audit", FEW, examples=2)
    assert ran.returncode == 0, ran.stdout


def test_the_audit_is_told_as_the_document_says(schemathesis: Run, token: Token) -> None:
    ran = schemathesis(token(Role.AUDITOR), "--include-path-regex=audit", FEW, examples=2)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ANY_ROLE)
def test_the_api_does_what_its_document_says_at_length(
    schemathesis: Run, token: Token, role: Role
) -> None:
    ran = schemathesis(token(role), examples=25)
    assert ran.returncode == 0, ran.stdout
