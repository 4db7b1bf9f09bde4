"""Guarantee 36: readers decide without knowing of one another, until all have."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import results, rounds
from db.history import history
from db.reading import Decision, claim_next
from db.rounds import AlreadyDecided, ImagesChanged, Standing
from db.runs import Run
from db.sites import SiteError, load
from mammo.codes import Call, Level
from tests.db.archive import instance, planned, put, put_studies, scored

UID = "1.2.1"
ROUTINE, RECALL = Call.ROUTINE, Call.RECALL


@pytest.fixture
def case(session: Session, run: Run) -> Session:
    """One case of a site that asks for two readers."""
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1), 0.5, Level.SOON))
    asks_for(session, 2)
    return session


def asks_for(session: Session, readers: int) -> None:
    said = {"settings": f'{{"readers": {readers}}}'}
    session.execute(text("UPDATE sites SET settings = CAST(:settings AS jsonb)"), said)


def decided(session: Session, reader: str, left: Call, right: Call = ROUTINE) -> Standing:
    shown = rounds.standing(session, UID).fingerprint
    return rounds.decide(session, Decision(UID, shown, reader, left, right, score_seen=True))


def seen(session: Session, reader: str) -> list[str]:
    """Whose decisions a reader is shown."""
    found, stands = history(session, UID), rounds.standing(session, UID)
    assert found is not None
    return [one.reader for one in found.decided if stands.shows(one, reader)]


def test_two_who_agree_end_a_case(case: Session) -> None:
    assert not decided(case, "anna", ROUTINE).read
    assert decided(case, "bert", ROUTINE).read


def test_nobody_sees_what_another_decided_before_having_decided(case: Session) -> None:
    decided(case, "anna", RECALL)
    assert (seen(case, "anna"), seen(case, "bert")) == (["anna"], [])
    decided(case, "bert", ROUTINE)
    assert seen(case, "anna") == seen(case, "bert") == seen(case, "carl") == ["anna", "bert"]


def test_where_two_contradict_a_third_settles_it(case: Session) -> None:
    decided(case, "anna", RECALL)
    stands = decided(case, "bert", ROUTINE)
    assert (stands.arbitration, stands.read) == (True, False)
    for reader in ("anna", "bert"):
        assert claim_next(case, reader) is None
        with pytest.raises(AlreadyDecided):
            decided(case, reader, RECALL)
    assert claim_next(case, "carl") is not None
    stands = decided(case, "carl", RECALL)
    assert (stands.arbitration, stands.read) == (False, True)
    assert [(one.round, one.reader) for one in stands.made] == [
        (1, "anna"),
        (2, "bert"),
        (3, "carl"),
    ]


def test_a_reader_may_correct_until_the_case_is_read_and_counts_once(case: Session) -> None:
    decided(case, "anna", RECALL)
    stands = decided(case, "anna", ROUTINE)
    assert [(one.round, one.left) for one in stands.made] == [(1, ROUTINE)]
    assert decided(case, "bert", ROUTINE).read
    with pytest.raises(AlreadyDecided):
        decided(case, "anna", RECALL)


def test_one_decision_is_enough_where_the_site_asks_for_no_more(case: Session) -> None:
    asks_for(case, 1)
    assert decided(case, "anna", RECALL).read


def test_an_image_that_came_meanwhile_is_looked_at_before_anything_is_decided(
    case: Session, run: Run
) -> None:
    shown = rounds.standing(case, UID).fingerprint
    decided(case, "anna", ROUTINE)
    put(case, run, {"late": [instance(1, 9)]})
    with pytest.raises(ImagesChanged):
        rounds.decide(case, Decision(UID, shown, "bert", ROUTINE, ROUTINE, score_seen=True))
    assert rounds.standing(case, UID).made == ()  # all begin again
    assert seen(case, "bert") == ["anna"]  # of other images: history


@pytest.mark.parametrize("settings", ['{"readers": 0}', '{"readers": "2"}', '{"findings": "off"}'])
def test_a_setting_that_nobody_can_follow_is_refused(session: Session, settings: str) -> None:
    said = {"settings": settings}
    session.execute(text("UPDATE sites SET settings = CAST(:settings AS jsonb)"), said)
    with pytest.raises(SiteError, match="unknown"):
        load(session)
