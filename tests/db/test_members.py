"""Members of archives: an object that comes in parts, where each lies, and what was seen of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import looks
from db.index import IndexedInstance, ListedObject, ObjectOutcome, ObjectRef, indexed, listed
from db.looks import Look
from db.plan import pending
from db.runs import Run
from db.summary import summary
from db.worklist import page
from mammo.codes import Reason
from mammo.members import Method, Place
from tests.db.archive import VIEWS, instance, put

PLACE = Place(Method.GZIP, 512, 1000, 1000)
SEEN = {"probability": 0.25, "findings": []}
KINDS = ["unknown"]  # what `instance` leaves out


def member(study: int, number: int) -> IndexedInstance:
    made = instance(study, number, view=VIEWS[number - 1])
    return replace(made, member=f"{study}/{number}.dcm", place=PLACE)


def bad(reason: Reason) -> IndexedInstance:
    nothing = instance(1, 1, reason, mammography=False)
    return replace(nothing, sop_instance_uid=None, study_uid=None, member="README", place=None)


@pytest.fixture
def archive(session: Session, run: Run) -> ObjectRef:
    """A listed object that waits to be read."""
    rows = [ListedObject(run.prefix.key + "night.tar.gz", "e1", 9_000)]
    (ref,) = listed(session, run.id, run.prefix.bucket, rows)
    return ref


def written(session: Session, archive: ObjectRef) -> None:
    """Two studies in three parts, the last one empty."""
    first = tuple(member(1, number) for number in range(1, 5))
    second = (*(member(2, number) for number in range(1, 5)), bad(Reason.NOT_DICOM))
    indexed(session, [ObjectOutcome(archive.id, None, first, 0, last=False)])
    indexed(session, [ObjectOutcome(archive.id, None, second, 4, last=False)])
    indexed(session, [ObjectOutcome(archive.id, None, (), 9)])


def test_an_object_in_parts_counts_as_read_with_the_last_one(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    part = tuple(member(1, number) for number in range(1, 5))
    indexed(session, [ObjectOutcome(archive.id, None, part, 0, last=False)])
    before = summary(session, run.id)
    assert (before.unread, before.indexed, before.known) == (1, 0, 0)
    assert pending(session, run.id, 10) == []
    assert [item.study_uid for item in page(session, 10).items] == ["1.2.1"]  # guarantee 3
    written(session, archive)
    after = summary(session, run.id)
    assert (after.unread, after.with_instances, after.known) == (0, 1, 2)
    assert (after.indexed, after.accepted, after.quarantined) == (9, 8, 1)
    assert after.indexed == sum(after.reasons.values())


def test_reading_an_archive_again_replaces_what_a_broken_off_run_left(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    part = tuple(member(3, number) for number in range(1, 5))
    indexed(session, [ObjectOutcome(archive.id, None, part, 0, last=False)])
    written(session, archive)
    assert [study.study_uid for study in pending(session, run.id, 10)] == ["1.2.1", "1.2.2"]


def test_an_archive_without_an_instance_is_an_object_with_a_reason(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    part = (bad(Reason.ARCHIVE_NESTED), bad(Reason.NOT_DICOM))
    indexed(session, [ObjectOutcome(archive.id, None, part, 0, last=False)])
    indexed(session, [ObjectOutcome(archive.id, Reason.ARCHIVE_NESTED)])
    counted = summary(session, run.id)
    assert (counted.without_instance, counted.indexed) == (1, 0)
    assert counted.reasons == {"ARCHIVE_NESTED": 1}


def test_a_plan_says_where_each_member_lies(session: Session, run: Run, archive: ObjectRef) -> None:
    written(session, archive)
    first, second = pending(session, run.id, 10)
    assert [i.ordinal for i in (*first.instances, *second.instances)] == list(range(8))
    assert {i.place for i in first.instances} == {PLACE}
    assert first.instances[0].member == "1/1.dcm"
    assert first.instances[0].look is None


def test_what_was_seen_is_planned_with_the_member_and_asked_for_no_more(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    written(session, archive)
    (wanted,) = looks.unseen(session, run.id, KINDS)
    assert (wanted.object, wanted.kind) == (archive, "gzip")
    assert wanted.ordinals == frozenset(range(8))
    looks.keep(session, run.id, archive.id, [Look(0, "L", "CC", SEEN), Look(1, "L", "CC", SEEN)])
    planned = pending(session, run.id, 10)[0].instances
    assert planned[0].look == SEEN
    assert planned[1].look is None  # it is a view of the right breast now
    (wanted,) = looks.unseen(session, run.id, KINDS)
    assert wanted.ordinals == frozenset(range(1, 8))
    assert looks.unseen(session, run.id, ["film"]) == []
    (wanted,) = looks.unseen(session, run.id, KINDS, limit=1)
    assert wanted.ordinals == frozenset({1, 2, 3})  # of the first study alone


def test_what_was_seen_goes_with_the_object_that_changed(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    written(session, archive)
    looks.keep(session, run.id, archive.id, [Look(0, "L", "CC", SEEN)])
    session.execute(text("SET LOCAL ROLE nightread_app"))  # the job's own rights suffice
    written(session, archive)
    assert session.execute(text("SELECT count(*) FROM looks")).scalar_one() == 0


def test_a_member_lies_somewhere_wholly_or_not_at_all(session: Session, archive: ObjectRef) -> None:
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415

    written(session, archive)
    with pytest.raises(IntegrityError, match="member_place"):
        session.execute(text("UPDATE instances SET member_offset = NULL"))


def test_a_copy_in_another_archive_is_looked_at_too_and_planned_with_what_was_seen(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    written(session, archive)
    rows = [ListedObject(run.prefix.key + "sent-again.tar.gz", "e2", 8_000)]
    (again,) = listed(session, run.id, run.prefix.bucket, rows)
    indexed(session, [ObjectOutcome(again.id, None, (member(1, 1),))])
    wanted = {one.object: one.ordinals for one in looks.unseen(session, run.id, KINDS)}
    assert wanted == {archive: frozenset(range(8)), again: frozenset({0})}
    looks.keep(session, run.id, again.id, [Look(0, "L", "CC", SEEN)])
    (copy,) = pending(session, run.id, 10)[0].copies
    assert (copy.key, copy.look) == (again.key, SEEN)


def test_a_limited_run_looks_at_the_studies_that_it_screens_first(
    session: Session, run: Run
) -> None:
    now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    for number, modified in ((1, now), (2, now - timedelta(hours=2))):
        rows = [ListedObject(f"{run.prefix.key}{number}.tar.gz", "e1", 9_000, modified)]
        (ref,) = listed(session, run.id, run.prefix.bucket, rows)
        indexed(session, [ObjectOutcome(ref.id, None, (member(number, 1),))])
    (wanted,) = looks.unseen(session, run.id, KINDS, limit=1, settle_minutes=60)
    assert wanted.object.key.endswith("2.tar.gz")


def test_an_archive_that_is_read_in_part_takes_no_image_from_an_object_that_was_read(
    session: Session, run: Run, archive: ObjectRef
) -> None:
    put(session, run, {"plain/1": [instance(1, 1)]})
    part = tuple(member(1, number) for number in range(1, 5))
    indexed(session, [ObjectOutcome(archive.id, None, part, 0, last=False)])
    (study,) = pending(session, run.id, 10)
    assert [one.key for one in study.instances] == [run.prefix.key + "plain/1"]
