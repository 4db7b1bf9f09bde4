"""Guarantee 25: who saw or did what is added to, never changed, and tampering shows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import audit
from db.session import in_transaction


@pytest.fixture
def noted(session: Session) -> list[int]:
    """Six entries of two people; their numbers."""
    for number in range(3):
        audit.note(session, "anna", "viewed", number, page=number)
        audit.note(session, "bert", "viewed", number)
    return list(session.scalars(text("SELECT id FROM audit ORDER BY id")))


def tamper(session: Session, statement: str, **values: object) -> None:
    """As somebody who gets past the trigger: the tables' owner."""
    session.execute(text("ALTER TABLE audit DISABLE TRIGGER added_to_only"))
    session.execute(text(statement), values)


def test_what_was_noted_is_whole(session: Session, noted: list[int]) -> None:
    assert len(noted) == 6
    assert audit.broken(session) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET action = 'x'", "DELETE FROM audit", "TRUNCATE audit"]
)
def test_nobody_rewrites_the_audit(session: Session, noted: list[int], statement: str) -> None:
    with pytest.raises(DBAPIError, match="audit is history"):
        session.execute(text(statement))


@pytest.mark.parametrize(
    "change",
    [
        "who = 'carl'",
        "action = 'listed'",
        "at = at + interval '1 second'",
        "study_id = 99",
        "study_id = NULL",
        "detail = '{}'",
    ],
)
def test_an_entry_that_was_rewritten_is_found(
    session: Session, noted: list[int], change: str
) -> None:
    tamper(session, f"UPDATE audit SET {change} WHERE id = :id", id=noted[2])
    assert noted[2] in audit.broken(session)


def test_an_entry_that_was_taken_away_is_missed_by_the_next(
    session: Session, noted: list[int]
) -> None:
    tamper(session, "DELETE FROM audit WHERE id = :id", id=noted[2])
    assert audit.broken(session) == [noted[4]]


def test_whoever_writes_an_entry_does_not_choose_its_time_or_digest(session: Session) -> None:
    session.execute(
        text("INSERT INTO audit (who, action, at, before, digest) VALUES"
             " ('anna', 'viewed', '2020-01-01', repeat('0', 64), repeat('0', 64))")
    )  # fmt: skip
    assert audit.broken(session) == []
    assert session.scalar(text("SELECT at > now() - interval '1 day' FROM audit"))


def test_entries_of_one_person_at_once_make_one_chain(engine: Engine, session: Session) -> None:
    def view(number: int) -> None:
        in_transaction(engine, lambda s: audit.note(s, f"reader {number % 2}", "viewed", number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(view, range(80)))
    assert session.scalar(text("SELECT count(*) FROM audit")) == 80
    assert audit.broken(session) == []


def test_two_people_do_not_wait_for_each_other(engine: Engine, session: Session) -> None:
    audit.note(session, "anna", "viewed", 1)  # not committed

    def other(elsewhere: Session) -> None:
        elsewhere.execute(text("SET LOCAL lock_timeout = '1s'"))
        audit.note(elsewhere, "bert", "viewed", 1)

    in_transaction(engine, other)
    session.commit()
    assert audit.broken(session) == []
