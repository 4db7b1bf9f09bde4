"""Guarantees 2 and 4: one current result, whole or not at all, that says where it came from."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from db import results, runs, worklist
from db.results import BreastScore, FoundBox, PixelVerdict, StudyResult
from db.runs import Run
from db.schema import Base, Finding, Instance, Result, ResultInstance, WorklistRow
from db.session import in_transaction
from mammo.codes import Level, NotScored, Reason, Verdict
from tests.db.archive import instance, planned, put, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE


def everything(session: Session) -> dict[str, list[Any]]:
    """All rows of all tables."""
    return {
        table.fullname: sorted(map(tuple, session.execute(select(table))), key=str)
        for table in Base.metadata.sorted_tables
    }


UNSCORED: dict[str, Any] = {
    **dict.fromkeys(("score", "probability", "left_score", "left_probability")),
    "level": "not_scored",
    "reason": "POISON",
}


def row(study: int, run: Run, **said: Any) -> Result:
    """A row as the code would never write it."""
    whole: dict[str, Any] = {
        "study_id": study,
        "release": RELEASE,
        "run_id": run.id,
        "fingerprint": "",
        "content_digest": "",
        "code_version": "",
        "level": "soon",
        "score": 5,
        "probability": 0.5,
        "left_score": 5,
        "left_probability": 0.5,
    }
    return Result(**whole | said)


@pytest.fixture
def study(session: Session, run: Run) -> int:
    """The id of a study without a result."""
    put_studies(session, run, [1])
    return planned(session, run, 1).id


def test_postgres_refuses_a_second_current_result(session: Session, run: Run, study: int) -> None:
    session.add_all([row(study, run), row(study, run)])
    with pytest.raises(IntegrityError, match="uq_results_current"):
        session.flush()


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ({"reason": "POISON"}, "scored_or_says_why"),
        ({**UNSCORED, "reason": None}, "scored_or_says_why"),
        ({**UNSCORED, "left_score": 5, "left_probability": 0.5}, "scored_by_a_breast"),
        ({"score": 0}, "score_range"),
        ({"score": 11}, "score_range"),
        ({"probability": 1.5}, "probability_range"),
        ({"probability": float("nan")}, "probability_range"),
        ({"probability": None}, "score_with_probability"),
        ({"level": "not_scored"}, "level_of_score"),
        ({"level": "grave"}, "level"),
        ({"left_probability": None}, "breast_score_with_probability"),
        ({"left_score": 11}, "left_range"),
        ({"right_score": 0, "right_probability": 0.1}, "right_range"),
        ({"left_score": None, "left_probability": None}, "scored_by_a_breast"),
    ],
)
def test_postgres_refuses_a_result_that_contradicts_itself(
    session: Session, run: Run, study: int, said: dict[str, Any], constraint: str
) -> None:
    session.add(row(study, run, **said))
    with pytest.raises(IntegrityError, match=f"ck_results_{constraint}"):
        session.flush()


def test_a_result_is_written_with_all_its_parts(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    written = results.record(session, run.id, scored(plan, 0.25, Level.ROUTINE, 4))
    stored = session.scalars(select(Result)).one()
    assert (stored.id, stored.score, stored.probability, stored.level) == (
        written,
        4,
        0.25,
        "routine",
    )
    assert (stored.left_score, stored.right_probability) == (4, 0.01)
    assert (stored.release, stored.run_id, stored.code_version) == (RELEASE, run.id, "0.1.0+abc")
    assert stored.preparation == {"height": 1024, "width": 640}
    assert stored.fingerprint == plan.fingerprint
    used = session.execute(select(ResultInstance.sop_instance_uid, ResultInstance.sha256)).all()
    assert {tuple(item) for item in used} == {(f"1.2.1.{n}", "f" * 64) for n in range(1, 5)}
    finding = session.scalars(select(Finding)).one()
    assert (finding.x0, finding.y0, finding.x1, finding.y1) == (10.0, 20.0, 30.5, 40.0)


def test_recording_the_same_again_changes_nothing(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    plan = planned(session, run, 1)
    other = planned(session, run, 2)
    first = results.record(session, run.id, scored(plan))
    results.record(session, run.id, unscored(other, NotScored.READ_FAILED))
    before = everything(session)
    assert results.record(session, run.id, scored(plan)) == first
    results.record(session, run.id, unscored(other, NotScored.READ_FAILED))
    assert everything(session) == before


@pytest.mark.parametrize(
    "change",
    [
        {"probability": 0.51},
        {"findings": ()},
        {"warnings": ()},
        {"left": BreastScore(7, 0.49)},
        {"preparation": {"height": 512}},
    ],
)
def test_another_result_supersedes_and_keeps_the_one_before(
    session: Session, run: Run, change: dict[str, Any]
) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    first = results.record(session, run.id, scored(plan))
    second = results.record(session, run.id, replace(scored(plan), **change))
    assert first != second
    states = session.execute(
        select(Result.id, Result.superseded_at.is_(None)).order_by(Result.id)
    ).all()
    assert [tuple(state) for state in states] == [(first, False), (second, True)]
    assert session.scalars(select(WorklistRow.result_id)).one() == second


def test_each_release_has_a_current_result_of_its_own(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    runs.register_release(session, "b" * 64, "second", {})
    other = runs.start(session, PREFIX, "b" * 64, "0.2.0", "host:2")
    session.execute(text("UPDATE objects SET last_seen_run = :run"), {"run": other.id})
    results.record(session, other.id, scored(planned(session, other, 1), 0.6))
    current = session.execute(
        select(Result.release, Result.probability).where(Result.superseded_at.is_(None))
    ).all()
    assert {tuple(item) for item in current} == {(RELEASE, 0.5), ("b" * 64, 0.6)}


def test_a_verdict_by_the_pixels_replaces_the_headers_and_keeps_it(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    changed = PixelVerdict(
        plan.instances[1].id,
        Verdict.QUARANTINED,
        Reason.CONSTANT_IMAGE,
        "all pixels equal",
        ("W_8BIT", "W_TURNED"),
    )
    results.record(session, run.id, replace(scored(plan), verdicts=(changed,)))
    stored = session.get_one(Instance, plan.instances[1].id)
    session.refresh(stored)
    assert (stored.verdict, stored.reason) == ("quarantined", "CONSTANT_IMAGE")
    assert (stored.header_verdict, stored.header_reason) == ("accepted", "OK")
    assert stored.flags == ["W_8BIT", "W_TURNED"]
    (item,) = worklist.page(session, 10).items
    assert item.exclusions == (("1.2.1.2", "CONSTANT_IMAGE"),)


def test_a_verdict_comes_too_late_for_an_instance_that_another_object_replaced(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    held = replace_key_before(session, run)
    results.record(session, run.id, scored(plan))
    accepted = session.scalars(
        select(Instance.id).where(
            Instance.sop_instance_uid == "1.2.1.1", Instance.verdict == "accepted"
        )
    ).all()
    assert accepted == [held]


def replace_key_before(session: Session, run: Run) -> int:
    """Another object, first by key, that holds 1.2.1.1; returns its instance's id."""
    put(session, run, {"0/1": [instance(1, 1)]})
    return session.scalars(select(func.max(Instance.id))).one()


def test_a_finding_lies_in_an_instance_that_was_used(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    result = replace(scored(planned(session, run, 1)), used=())
    with pytest.raises(IntegrityError, match="fk_findings_result_id"):
        results.record(session, run.id, result)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"box": (10.0, 20.0, 10.0, 40.0)}, "ck_findings_box"),
        ({"box": (-1.0, 20.0, 10.0, 40.0)}, "ck_findings_box"),
        ({"score": 0}, "ck_findings_score_range"),
        ({"probability": -0.1}, "ck_findings_probability_range"),
    ],
)
def test_postgres_refuses_a_finding_that_is_none(
    session: Session, run: Run, change: dict[str, Any], constraint: str
) -> None:
    put_studies(session, run, [1])
    result = scored(planned(session, run, 1))
    broken: FoundBox = replace(result.findings[0], **change)
    with pytest.raises(IntegrityError, match=constraint):
        results.record(session, run.id, replace(result, findings=(broken,)))


def test_a_result_that_fails_half_way_leaves_the_one_before(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    first = results.record(session, run.id, scored(plan))
    session.commit()
    before = everything(session)
    session.rollback()
    broken = replace(scored(plan, 0.9), used=())
    with pytest.raises(DBAPIError):
        in_transaction(engine, lambda s: results.record(s, run.id, broken))
    assert everything(session) == before
    assert first == session.scalars(select(Result.id)).one()


KILLED = """
import os, signal, sys
from sqlalchemy import event
from db.session import connect, in_transaction
from tests.db.archive import planned, scored
from db import results, runs
engine = connect(sys.argv[1])
left = int(sys.argv[2])
@event.listens_for(engine, "before_cursor_execute")
def die(connection, cursor, statement, parameters, context, executemany):
    global left
    if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
def work(session):
    run = runs.latest(session)
    return results.record(session, run.id, scored(planned(session, run, 1), 0.9))
in_transaction(engine, work)
"""


@pytest.mark.parametrize("writes", [0, 2, 5])
def test_a_job_killed_while_it_writes_a_result_changes_nothing(
    url: str, engine: Engine, session: Session, run: Run, writes: int
) -> None:
    put_studies(session, run, [1])
    session.commit()
    before = everything(session)
    session.rollback()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, str(writes)],
        cwd=Path(__file__).parents[2],
        env=os.environ,
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert everything(session) == before
    session.rollback()
    in_transaction(engine, lambda s: results.record(s, run.id, scored(planned(s, run, 1), 0.9)))
    assert session.scalars(select(Result.probability)).all() == [0.9]


def test_two_writers_of_one_study_take_turns(engine: Engine, session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    session.commit()
    results.record(session, run.id, scored(plan, 0.1))
    with Session(engine) as other:
        other.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(DBAPIError) as error:
            results.record(other, run.id, scored(plan, 0.2))
        assert getattr(error.value.orig, "pgcode", None) == "55P03"  # it would have waited
    session.commit()
    in_transaction(engine, lambda s: results.record(s, run.id, scored(plan, 0.2)))
    current = select(Result.probability).where(Result.superseded_at.is_(None))
    assert session.scalars(current).all() == [0.2]


def test_the_digest_is_of_everything_that_is_said() -> None:
    """No field of a result may change without its digest."""
    one = StudyResult(1, "f", Level.SOON, score=5, probability=0.5, left=BreastScore(5, 0.5))
    changes: dict[str, Any] = {
        "study_id": 2, "fingerprint": "g", "level": Level.LOW, "score": 6, "probability": 0.6,
        "reason": NotScored.POISON, "left": None, "right": BreastScore(1, 0.1),
        "missing_views": ("L CC",), "warnings": ("W",), "findings": (1,), "used": (1,),
        "verdicts": (1,), "preparation": {"a": 1},
    }  # fmt: skip
    assert set(changes) == set(StudyResult.__slots__)
    digests = {replace(one, **{name: value}).digest() for name, value in changes.items()}
    assert len(digests | {one.digest()}) == len(changes) + 1
