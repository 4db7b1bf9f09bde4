"""Guarantee 24: a case is one reader's at a time, and what was decided of it stays."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from db import audit, reading, results, worklist
from db.history import history
from db.reading import Claim, Decision, NotYours, UnknownStudy, claim_next, decide, release
from db.runs import Run
from db.session import in_transaction
from mammo.codes import Call, Level, Status
from nightread.stack.wait import until
from tests.db.archive import instance, planned, put, put_studies, scored

READERS, CASES = 8, 40
BLOCKED = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)


def of(claim: Claim, reader: str, **more: object) -> Decision:
    """Routine on both sides, before the score was seen."""
    decided = Decision(
        study_uid=claim.study_uid,
        fingerprint=claim.fingerprint,
        reader=reader,
        left=Call.ROUTINE,
        right=Call.ROUTINE,
        score_seen=False,
    )
    return replace(decided, **more)


def claimed(session: Session, reader: str = "anna") -> Claim:
    found = claim_next(session, reader)
    assert found is not None
    return found


def statuses(session: Session) -> dict[str, tuple[Status, str | None]]:
    session.expire_all()
    return {i.study_uid: (i.status, i.claimed_by) for i in worklist.page(session, 100).items}


@pytest.fixture
def two(session: Session, run: Run) -> None:
    """Two cases: 1.2.2 is the first to be read."""
    put_studies(session, run, [1, 2])
    results.record(session, run.id, scored(planned(session, run, 1), 0.5, Level.SOON))
    results.record(session, run.id, scored(planned(session, run, 2), 0.9, Level.URGENT))


def test_readers_who_ask_at_once_are_given_different_cases_in_the_lists_order(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, range(CASES))
    session.commit()

    def read(number: int) -> list[str]:
        reader, given = f"reader {number}", []
        while found := in_transaction(engine, lambda s: claim_next(s, reader)):
            given.append(found.study_uid)
            in_transaction(engine, lambda s: decide(s, of(found, reader)))
        return given

    with ThreadPoolExecutor(READERS) as pool:
        given = list(pool.map(read, range(READERS)))
    order = [item.study_uid for item in worklist.page(session, 100).items]
    assert sorted(uid for uids in given for uid in uids) == sorted(order)
    assert all(uids == sorted(uids, key=order.index) for uids in given)
    assert {status for status, _ in statuses(session).values()} == {Status.READ}
    assert audit.broken(session) == []


@pytest.mark.usefixtures("two")
def test_a_claimed_case_is_nobody_elses_until_it_is_given_back(session: Session) -> None:
    mine = claimed(session, "anna")
    assert mine.study_uid == "1.2.2"
    assert statuses(session)["1.2.2"] == (Status.CLAIMED, "anna")
    assert claimed(session, "bert").study_uid == "1.2.1"
    assert claim_next(session, "carl") is None
    release(session, "bert", mine.study_id)  # which is not his
    assert claim_next(session, "carl") is None
    release(session, "anna", mine.study_id)
    assert claimed(session, "carl").study_uid == "1.2.2"


@pytest.mark.usefixtures("two")
def test_a_reader_who_asks_again_keeps_the_same_case(session: Session) -> None:
    first = claimed(session)
    again = claimed(session)
    assert (again.study_uid, again.fingerprint) == (first.study_uid, first.fingerprint)


@pytest.mark.usefixtures("two")
def test_a_claim_ends_by_itself(session: Session) -> None:
    first = claimed(session, "anna")
    session.execute(text("UPDATE claims SET at = at - interval '1 day', until = now()"))
    assert statuses(session)["1.2.2"] == (Status.UNREAD, None)
    assert claimed(session, "bert").study_uid == "1.2.2"
    with pytest.raises(NotYours):
        decide(session, of(first, "anna"))


def test_a_case_that_another_session_claims_at_this_moment_is_passed_over(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, [1, 2])
    session.commit()
    first = claimed(session, "anna")  # not committed
    second = in_transaction(engine, lambda s: claimed(s, "bert"))
    assert first.study_uid != second.study_uid
    assert in_transaction(engine, lambda s: claim_next(s, "carl")) is None


def test_a_site_is_read_by_itself(session: Session, run: Run) -> None:
    session.execute(text("INSERT INTO sites (name, prefix) VALUES ('n', 's3://archive/night/2/')"))
    put_studies(session, run, [1, 2])
    found = claim_next(session, "anna", site="n")
    assert found is not None
    assert found.study_uid == "1.2.2"
    assert claim_next(session, "bert", site="n") is None


@pytest.mark.usefixtures("two")
def test_a_decision_says_what_was_decided_by_whom_and_whether_the_score_was_known(
    session: Session,
) -> None:
    claim = claimed(session)
    written = decide(
        session,
        of(claim, "anna", left=Call.RECALL, right=None, score_seen=True, comment="new mass"),
    )
    found = history(session, claim.study_uid)
    assert found is not None
    (said,) = found.decided
    assert (said.id, said.reader, said.round) == (written, "anna", 1)
    assert (said.left, said.right, said.score_seen, said.comment) == (
        "recall", None, True, "new mass",
    )  # fmt: skip
    assert found.read_at is not None
    assert statuses(session)[claim.study_uid] == (Status.READ, None)
    shown = session.execute(text("SELECT result_id = (SELECT result_id FROM worklist w"
                                 " WHERE w.study_id = d.study_id) FROM decisions d"))  # fmt: skip
    assert shown.scalar_one()


@pytest.mark.usefixtures("two")
def test_in_double_reading_a_case_goes_to_another_reader_and_never_back_to_the_first(
    session: Session,
) -> None:
    first = claimed(session, "anna")
    decide(session, of(first, "anna"), complete=False)
    assert statuses(session)[first.study_uid] == (Status.UNREAD, None)
    assert claimed(session, "anna").study_uid != first.study_uid
    second = claimed(session, "bert")
    assert second.study_uid == first.study_uid
    with pytest.raises(IntegrityError, match="uq_decisions_round"), session.begin_nested():
        decide(session, of(second, "bert"))
    decide(session, of(second, "bert", round=2))
    assert statuses(session)[first.study_uid] == (Status.READ, None)


@pytest.mark.usefixtures("two")
def test_a_mistake_is_corrected_by_who_made_it_once(session: Session) -> None:
    claim = claimed(session)
    first = decide(session, of(claim, "anna"))
    with pytest.raises(IntegrityError, match="fk_decisions_corrects"), session.begin_nested():
        decide(session, of(claim, "bert", corrects=first))
    second = decide(session, of(claim, "anna", left=Call.RECALL, corrects=first))
    with pytest.raises(IntegrityError, match="uq_decisions_corrects"), session.begin_nested():
        decide(session, of(claim, "anna", corrects=first))
    found = history(session, claim.study_uid)
    assert found is not None
    assert [(d.id, d.corrected) for d in found.decided] == [(first, True), (second, False)]


def test_a_study_that_changed_after_it_was_read_is_to_be_read_again(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    claim = claimed(session)
    decide(session, of(claim, "anna"))
    put(session, run, {"late": [instance(1, 9)]})
    assert statuses(session)["1.2.1"] == (Status.UNREAD, None)
    again = claimed(session, "anna")  # though she has decided of what it was before
    assert again.fingerprint != claim.fingerprint
    decide(session, of(again, "anna"))
    assert statuses(session)["1.2.1"] == (Status.READ, None)


def test_a_decision_of_images_that_are_not_the_last_ones_leaves_the_study_unread(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    claim = claimed(session)
    put(session, run, {"late": [instance(1, 9)]})
    decide(session, of(claim, "anna"))
    assert statuses(session)["1.2.1"] == (Status.UNREAD, None)


def test_an_image_that_comes_while_it_is_decided_leaves_the_study_unread(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    session.commit()
    claim = in_transaction(engine, claimed)
    put(session, run, {"late": [instance(1, 9)]})  # not committed: nobody else can see it
    with ThreadPoolExecutor(1) as pool:
        deciding = pool.submit(in_transaction, engine, lambda s: decide(s, of(claim, "anna")))
        assert until(lambda: session.execute(BLOCKED).scalar_one() == 1, 20)
        session.commit()
        deciding.result()
    assert statuses(session)["1.2.1"] == (Status.UNREAD, None)


def test_a_result_of_another_release_leaves_what_was_read_as_it_is(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    claim = claimed(session)
    decide(session, of(claim, "anna"))
    results.record(session, run.id, scored(planned(session, run, 1), 0.9, Level.URGENT))
    assert statuses(session)["1.2.1"] == (Status.READ, None)


def test_a_study_that_is_not_in_the_list_is_not_decided_of(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    claim = claimed(session)
    with pytest.raises(UnknownStudy):
        decide(session, replace(of(claim, "anna"), study_uid="1.2.404"))


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"left": None, "right": None}, "ck_decisions_of_a_breast"),
        ({"left": "biopsy"}, "ck_decisions_call"),
        ({"right": "biopsy", "left": None}, "ck_decisions_call"),
        ({"round": 0}, "ck_decisions_round"),
        ({"comment": "x" * 4001}, "ck_decisions_comment_length"),
    ],
)
@pytest.mark.usefixtures("two")
def test_postgres_refuses_a_decision_that_says_nothing_or_too_much(
    session: Session, change: dict[str, object], constraint: str
) -> None:
    claim = claimed(session)
    with pytest.raises(IntegrityError, match=constraint):
        decide(session, of(claim, "anna", **change))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE decisions SET left_call = 'recall'", "DELETE FROM decisions", "TRUNCATE decisions"],
)
@pytest.mark.usefixtures("two")
def test_nobody_rewrites_what_was_decided(session: Session, statement: str) -> None:
    decide(session, of(claimed(session), "anna"))
    with pytest.raises(DBAPIError, match="decisions is history"):
        session.execute(text(statement))


def test_a_history_holds_what_every_release_said_superseded_too(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1), 0.2, Level.LOW))
    put(session, run, {"late": [instance(1, 9)]})
    results.record(session, run.id, scored(planned(session, run, 1), 0.9, Level.URGENT))
    found = history(session, "1.2.1")
    assert found is not None
    assert [(said.probability, said.shown, said.of_these_images) for said in found.said] == [
        (0.9, True, True), (0.2, False, False),
    ]  # fmt: skip
    assert [said.superseded_at is None for said in found.said] == [True, False]
    assert [said.release_name for said in found.said] == ["first", "first"]
    assert history(session, "1.2.404") is None


def test_what_a_reader_does_is_in_the_audit(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    first = claimed(session)
    release(session, "anna", first.study_id)
    decide(session, of(claimed(session), "anna"))
    rows = session.execute(text("SELECT who, action, study_id, detail FROM audit ORDER BY id"))
    assert [(row.who, row.action, row.study_id) for row in rows] == [
        ("anna", action, first.study_id) for action in ("claimed", "released", "claimed", "decided")
    ]


def test_the_words_of_calls_are_those_that_the_table_takes() -> None:
    assert {call.value for call in Call} == {"recall", "routine", "technical_repeat"}
    assert reading.CLAIM_MINUTES > 0
