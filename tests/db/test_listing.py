"""`nightread worklist`: its options ask what they say, and its document keeps its promise."""

import pytest
import typer
from sqlalchemy import text
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from db import promotions, results, runs
from db.runs import Run
from mammo.codes import Level
from nightread.cli.worklist import command
from nightread.errors import UsageError
from nightread.shapes import WorklistDocument
from tests.db.archive import planned, put_studies, scored
from tests.db.conftest import PREFIX

APP = typer.Typer()
APP.command()(command)


def called(*arguments: str) -> Result:
    return CliRunner().invoke(APP, arguments)


def listed(*arguments: str) -> list[str]:
    ended = called(*arguments, "--json")
    assert ended.exit_code == 0, ended.exception
    return [item.study_uid for item in WorklistDocument.model_validate_json(ended.stdout).items]


@pytest.fixture(autouse=True)
def _archive(url: str, session: Session, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """1.2.1 was read, 1.2.2 is claimed and lacks a view, 1.2.3 is of older days; 1.2.4 pending."""
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", url)
    put_studies(session, run, [1, 2, 3, 4])
    for study in (1, 2, 3):
        results.record(
            session, run.id, scored(planned(session, run, study), study / 10, Level.SOON)
        )
    for change in (
        "UPDATE worklist SET read_at = now(), read_fingerprint = 'x' WHERE study_uid = '1.2.1'",
        "UPDATE worklist SET incomplete = true WHERE study_uid = '1.2.2'",
        (
            "INSERT INTO claims (study_id, reader, until) SELECT study_id, 'anna', 'infinity'"
            " FROM worklist WHERE study_uid = '1.2.2'"
        ),
        (
            "UPDATE worklist SET study_date = '2020-05-17', study_month = '2020-05-01',"
            " aged_at = now() WHERE study_uid = '1.2.3'"
        ),
    ):
        session.execute(text(change))
    session.commit()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["1.2.4", "1.2.3", "1.2.2", "1.2.1"]),
        (["--status", "open"], ["1.2.4", "1.2.3", "1.2.2"]),
        (["--status", "unread"], ["1.2.4", "1.2.3"]),
        (["--status", "claimed"], ["1.2.2"]),
        (["--status", "read"], ["1.2.1"]),
        (["--status", "aged"], ["1.2.3"]),
        (["--from", "2020-05-17", "--to", "2020-05-17"], ["1.2.3"]),
        (["--from", "2020-05-18"], ["1.2.4", "1.2.2", "1.2.1"]),
        (["--to", "2020-05-16"], []),
        (["--release", "first"], ["1.2.3", "1.2.2", "1.2.1"]),
        (["--missing-views"], ["1.2.2"]),
        (["--not-scored"], ["1.2.4"]),
        (["--release", "first", "--status", "open", "--missing-views"], ["1.2.2"]),
    ],
)
def test_each_option_asks_what_it_says(arguments: list[str], expected: list[str]) -> None:
    assert listed(*arguments) == expected


def test_an_item_says_who_reads_it_and_whether_it_waits_for_too_long() -> None:
    ended = called("--json")
    items = WorklistDocument.model_validate_json(ended.stdout).items
    assert [(item.status, item.claimed_by, item.aged) for item in items] == [
        ("unread", None, False),
        ("unread", None, True),
        ("claimed", "anna", False),
        ("read", None, False),
    ]


def test_a_person_sees_what_is_read_and_what_shows_another_release(
    session: Session, run: Run
) -> None:
    runs.register_release(session, "b" * 64, "second", {})
    promotions.promote(session, "unknown", "b" * 64, "0")
    runs.start(session, PREFIX, "b" * 64, "0", "host:1")
    session.commit()
    lines = called().stdout.splitlines()
    assert "aged, OTHER_RELEASE" in lines[2]
    assert "read, OTHER_RELEASE" in lines[4]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--release", "third"], "No release 'third' has said anything"),
        (["--not-scored", "--level", "soon"], "a study is one or the other"),
        (["--after", "x"], "--after is not a cursor"),
    ],
)
def test_what_can_not_be_asked_is_wrong_usage(arguments: list[str], sentence: str) -> None:
    error = called(*arguments).exception
    assert isinstance(error, UsageError)
    assert sentence in str(error)
