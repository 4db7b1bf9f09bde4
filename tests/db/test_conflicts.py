"""Other bytes under one SOP Instance UID: never scored as if nothing were, never lost."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db import index, plan, results, runs, worklist
from db.index import ListedObject
from db.plan import PlannedStudy
from db.results import PixelVerdict, StudyResult
from db.runs import Run
from db.schema import Instance, Result, StoredObject, Study
from mammo.codes import Level, NotScored, Reason
from tests.db.archive import instance, planned, put, put_studies, scored
from tests.db.conftest import PREFIX, RELEASE


def reasons(session: Session) -> dict[str, str]:
    """By key."""
    session.expire_all()
    rows = session.execute(
        select(StoredObject.key, Instance.reason).join_from(
            Instance, StoredObject, Instance.object_id == StoredObject.id
        )
    )
    return {row.key.removeprefix("night/"): row.reason for row in rows}


def unscorable(session: Session) -> dict[str, str | None]:
    session.expire_all()
    return dict(map(tuple, session.execute(select(Study.study_uid, Study.unscorable))))


def read(study: PlannedStudy, digests: Sequence[str], copies: Sequence[str]) -> StudyResult:
    """The result of a task that saw these bytes: one letter of a digest each."""

    def verdict(held: plan.PlannedInstance, reason: Reason, letter: str) -> PixelVerdict:
        return PixelVerdict(held.id, reason.verdict, reason, "", (), letter * 64)

    verdicts = (
        *(verdict(i, Reason.OK, d) for i, d in zip(study.instances, digests, strict=True)),
        *(
            verdict(c, Reason.DUPLICATE_INSTANCE, d)
            for c, d in zip(study.copies, copies, strict=True)
        ),
    )
    if set(digests) >= set(copies):
        return replace(scored(study), verdicts=verdicts)
    return StudyResult(
        study.id,
        study.fingerprint,
        Level.NOT_SCORED,
        reason=NotScored.CONFLICTING_INSTANCES,
        verdicts=verdicts,
    )


def test_the_same_etag_size_and_place_are_the_same_bytes_and_are_not_read(
    session: Session, run: Run
) -> None:
    put(session, run, {"a": [instance(1, 1)], "b": [instance(1, 1)]})
    study = planned(session, run, 1)
    assert reasons(session) == {"a": "OK", "b": "DUPLICATE_INSTANCE"}
    assert study.copies == ()


def test_another_size_is_a_conflict_at_once(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    put(session, run, {"z": [instance(1, 1)]}, etag="e2", size=999)
    found = reasons(session)
    assert found.pop("1/1") == found.pop("z") == "UID_CONFLICT"
    assert set(found.values()) == {"OK"}
    assert plan.pending(session, run.id, 10) == []
    assert plan.close_unscorable(session, run.id) == {NotScored.CONFLICTING_INSTANCES: 1}
    (item,) = worklist.page(session, 10).items
    assert (item.level, item.warnings[0]) == (Level.NOT_SCORED, "CONFLICTING_INSTANCES")
    assert item.exclusions == (("1.2.1.1", "UID_CONFLICT"),) * 2


def test_a_broken_copy_is_quarantined_and_the_whole_one_is_scored(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    put(session, run, {"z": [instance(1, 1, Reason.TRUNCATED)]}, etag="e2", size=10)
    assert reasons(session)["z"] == "TRUNCATED"
    assert len(planned(session, run, 1).instances) == 4


def test_of_another_etag_and_the_same_size_only_reading_tells(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    put(session, run, {"b": [instance(1, 1)]}, etag="e2")
    study = planned(session, run, 1)
    assert [copy.key for copy in study.copies] == ["night/b"]
    results.record(session, run.id, read(study, "a", "a"))
    assert reasons(session) == {"a": "OK", "b": "DUPLICATE_INSTANCE"}
    assert plan.pending(session, run.id, 10) == []


def test_two_places_of_one_archive_are_compared_too(session: Session, run: Run) -> None:
    members = [replace(instance(1, 1), member=f"{n}.dcm") for n in range(2)]
    put(session, run, {"a.zip": members})
    assert [copy.ordinal for copy in planned(session, run, 1).copies] == [1]


def test_other_bytes_are_a_conflict_that_is_said_once(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    put(session, run, {"b": [instance(1, 1)]}, etag="e2")
    results.record(session, run.id, read(planned(session, run, 1), "a", "b"))
    assert reasons(session) == {"a": "UID_CONFLICT", "b": "UID_CONFLICT"}
    assert unscorable(session) == {"1.2.1": "CONFLICTING_INSTANCES"}
    assert plan.pending(session, run.id, 10) == []
    assert plan.close_unscorable(session, run.id) == {}
    (item,) = worklist.page(session, 10).items
    assert item.warnings == ("CONFLICTING_INSTANCES",)


def test_a_copy_that_comes_later_has_the_study_read_once_more(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    results.record(session, run.id, read(planned(session, run, 1), "a", ""))
    put(session, run, {"b": [instance(1, 1)]}, etag="e2")
    results.record(session, run.id, read(planned(session, run, 1), "a", "a"))
    assert plan.pending(session, run.id, 10) == []
    rows = session.execute(select(Result.superseded_at.is_(None)).order_by(Result.id)).scalars()
    assert rows.all() == [False, True]


def test_what_was_read_of_an_instance_is_not_read_again_for_another_release(
    session: Session, run: Run
) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    put(session, run, {"b": [instance(1, 1)]}, etag="e2")
    results.record(session, run.id, read(planned(session, run, 1), "a", "a"))
    runs.register_release(session, "b" * 64, "second", {})
    other = runs.start(session, PREFIX, "b" * 64, "0.2.0", "host:2")
    session.execute(text("UPDATE objects SET last_seen_run = :run"), {"run": other.id})
    assert planned(session, other, 1).copies == ()


def test_when_one_of_the_two_is_gone_the_other_is_screened(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    put(session, run, {"b": [instance(1, 1)]}, etag="e2")
    results.record(session, run.id, read(planned(session, run, 1), "a", "b"))
    runs.finish(session, run.id, "finished")
    later = runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")
    index.listed(session, later.id, PREFIX.bucket, [ListedObject("night/b", "e2", 1000)])
    assert index.listing_done(session, later.id) == 1
    assert reasons(session)["b"] == "OK"
    assert [used.key for used in planned(session, later, 1).instances] == ["night/b"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_one_instance_in_two_studies_is_a_conflict_in_both_until_one_is_gone(
    session: Session, run: Run, order: tuple[int, int]
) -> None:
    held = {
        1: instance(1, 1),
        2: replace(instance(2, 1), sop_instance_uid="1.2.1.1"),
    }
    for study in order:
        put(session, run, {str(study): [held[study]]})
    assert set(unscorable(session).values()) == {"CONFLICTING_INSTANCES"}
    assert plan.close_unscorable(session, run.id) == {NotScored.CONFLICTING_INSTANCES: 2}
    put(session, run, {"2": [instance(2, 7)]}, etag="e2")
    assert unscorable(session) == {"1.2.1": None, "1.2.2": None}
    assert {study.study_uid for study in plan.pending(session, run.id, 10)} == {"1.2.1", "1.2.2"}


def test_an_object_that_is_replaced_under_its_key_is_no_conflict(
    session: Session, run: Run
) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    results.record(session, run.id, read(planned(session, run, 1), "a", ""))
    put(session, run, {"a": [instance(1, 1)]}, etag="e2", size=999)
    assert unscorable(session) == {"1.2.1": None}
    results.record(session, run.id, read(planned(session, run, 1), "b", ""))
    rows = session.execute(select(Result.superseded_at.is_(None)).order_by(Result.id)).scalars()
    assert rows.all() == [False, True]
