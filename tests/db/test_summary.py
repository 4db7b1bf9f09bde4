"""Guarantee 1: a summary accounts for everything, whatever happened."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db import plan, results, runs
from db.index import GONE, ListedObject, listed
from db.runs import Run
from db.summary import INSTANCES, OBJECTS, REASONS, STAGES, STUDIES, Summary, summary
from mammo.codes import NotScored, Reason
from tests.db.archive import instance, planned, put, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE


def adds_up(counted: Summary) -> bool:
    return (
        counted.listed == counted.with_instances + counted.without_instance
        and counted.indexed == counted.accepted + counted.excluded + counted.quarantined
        and sum(counted.reasons.values()) == counted.indexed + counted.without_instance
        and counted.known == counted.scored + counted.not_scored + counted.pending
        and sum(counted.not_scored_reasons.values()) == counted.not_scored
        and counted.screened_now + counted.already_current + counted.pending == counted.known
    )


def test_a_night_counted_by_hand(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2, 3])
    put(
        session,
        run,
        {
            "notes.txt": Reason.NOT_DICOM,
            "two": [instance(4, 1, Reason.SPOT), instance(4, 2, Reason.TRUNCATED)],
            "ct": [instance(5, 1, Reason.SOP_OTHER, mammography=False)],
            "gone": Reason.READ_FAILED,
        },
    )
    listed(session, run.id, PREFIX.bucket, [ListedObject("night/unread", "e", 1)])
    results.record(session, run.id, scored(planned(session, run, 1)))
    results.record(session, run.id, unscored(planned(session, run, 2), NotScored.TIMED_OUT))
    plan.close_unscorable(session, run.id)
    counted = summary(session, run.id)
    assert (counted.listed, counted.with_instances, counted.without_instance) == (17, 14, 3)
    assert counted.unread == 1
    assert (counted.indexed, counted.accepted) == (15, 12)
    assert (counted.excluded, counted.quarantined) == (2, 1)
    assert counted.reasons == {
        "NOT_DICOM": 1, "OK": 12, "READ_FAILED": 2, "SOP_OTHER": 1, "SPOT": 1, "TRUNCATED": 1,
    }  # fmt: skip
    assert (counted.known, counted.scored, counted.not_scored, counted.pending) == (4, 1, 2, 1)
    assert counted.not_scored_reasons == {"NO_2D_IMAGE": 1, "TIMED_OUT": 1}
    assert (counted.screened_now, counted.already_current, counted.not_mammography) == (3, 0, 1)
    assert adds_up(counted)


def test_a_run_over_nothing_counts_nothing(session: Session, run: Run) -> None:
    counted = summary(session, run.id)
    assert adds_up(counted)
    assert (counted.listed, counted.indexed, counted.known) == (0, 0, 0)
    assert set(counted.seconds_by_stage) == set(STAGES)


def test_a_second_run_over_an_unchanged_archive_finds_all_of_it_done(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1, 2])
    for number in (1, 2):
        results.record(session, run.id, scored(planned(session, run, number)))
    runs.finish(session, run.id, "finished")
    later = runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")
    put_studies(session, later, [1, 2])
    counted = summary(session, later.id)
    assert (counted.known, counted.screened_now, counted.already_current) == (2, 0, 2)
    assert adds_up(counted)


def test_a_late_image_makes_a_study_pending_again(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    put(session, run, {"late": [instance(1, 9)]})
    counted = summary(session, run.id)
    assert (counted.scored, counted.pending) == (0, 1)
    assert adds_up(counted)


def test_the_summary_of_a_run_that_ended_stays_as_it_was(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    results.record(session, run.id, scored(planned(session, run, 1)))
    runs.heartbeat(session, run.id, {"decode": 1.5, "infer": 2.5}, 900, 300)
    runs.finish(session, run.id, "interrupted")
    ended = summary(session, run.id)
    later = runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")
    put_studies(session, later, [1, 2, 3])
    assert summary(session, run.id) == ended
    assert (ended.known, ended.scored, ended.pending) == (2, 1, 1)
    assert (ended.seconds_by_stage["decode"], ended.seconds_by_stage["list"]) == (1.5, 0.0)
    assert (ended.header_bytes_read, ended.header_bytes_needed) == (900, 300)


CODES = st.sampled_from([Reason.OK, Reason.SPOT, Reason.TRUNCATED, Reason.SOP_OTHER])
OBJECT = st.one_of(
    st.sampled_from([Reason.NOT_DICOM, Reason.READ_FAILED, Reason.ARCHIVE_CORRUPT]),
    st.lists(
        st.builds(
            instance,
            study=st.integers(1, 4),
            number=st.integers(1, 3),
            reason=CODES,
            patient=st.sampled_from([None, None, None, "p_other"]),
            mammography=st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
)
ARCHIVES = st.dictionaries(st.sampled_from("abcdefgh"), OBJECT, max_size=8)
STEP = st.one_of(
    st.tuples(
        st.just("put"), ARCHIVES, st.sampled_from(["e1", "e2"]), st.sampled_from([1000, 1001])
    ),
    st.tuples(st.just("list"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("screen"), st.sampled_from([None, *NotScored])),
    st.tuples(st.just("close")),
    st.tuples(st.just("next run")),
)


def take(session: Session, run: Run, step: tuple[Any, ...]) -> Run:
    match step:
        case ("put", archive, etag, size):
            put(session, run, archive, etag, size)
        case ("list", key):
            listed(session, run.id, PREFIX.bucket, [ListedObject(f"night/{key}", "e3", 3)])
        case ("screen", reason):
            for study in plan.pending(session, run.id, 1):
                result = scored(study) if reason is None else unscored(study, reason)
                results.record(session, run.id, result)
        case ("close",):
            plan.close_unscorable(session, run.id, limit=1)
        case _:
            runs.finish(session, run.id, "interrupted")
            return runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")
    return run


# Images that are screened although another object holds other bytes under their UID.
TWINS = text(
    """
    WITH live AS (
        SELECT i.*, o.size FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE i.header_verdict = 'accepted' AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    )
    SELECT count(*) FROM live one JOIN live other USING (sop_instance_uid)
    WHERE one.verdict = 'accepted' AND one.size <> other.size
    """
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEP, max_size=12))
def test_it_adds_up_after_whatever_happened(
    engine: Engine, run: Run, steps: list[tuple[Any, ...]]
) -> None:
    with Session(engine) as session:  # rolled back: each example begins with an empty archive
        for step in steps:
            run = take(session, run, step)
            session.expire_all()
            assert adds_up(summary(session, run.id))
            assert session.execute(TWINS).scalar_one() == 0


def test_a_runs_objects_are_found_by_a_range_of_the_index(session: Session, run: Run) -> None:
    """However large the rest of the bucket is."""
    session.execute(
        text(
            "INSERT INTO objects (bucket, key, etag, size, last_seen_run)"
            " SELECT 'archive', n || '/x', '', 1, :run FROM generate_series(1, 20000) n"
        ),
        {"run": run.id},
    )
    session.execute(text("ANALYZE objects"))
    where = {"run": run.id, "bucket": "archive", "prefix": "199/", "unread": "", "release": ""}
    for query in (OBJECTS, REASONS, INSTANCES, STUDIES, GONE):
        plan_lines = session.execute(text(f"EXPLAIN {query.text}"), where).scalars().all()
        written = "\n".join(plan_lines)
        assert "(key >= '199/'::text) AND (key < '1990'::text)" in written
        assert "Seq Scan on objects" not in written
