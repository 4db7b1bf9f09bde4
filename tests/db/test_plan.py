"""Guarantee 2: a study is handed out until its release has spoken, a bounded number of times."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db import plan, results, runs
from db.runs import Prefix, Run
from db.schema import Result
from mammo.codes import Level, NotScored, Reason
from tests.db.archive import instance, planned, put, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE

SEEN_AGAIN = text("UPDATE objects SET last_seen_run = :run")


def uids(session: Session, run: Run) -> list[str]:
    return [study.study_uid for study in plan.pending(session, run.id, 1000)]


def again(session: Session, run: Run, prefix: Prefix = PREFIX, release: str = RELEASE) -> Run:
    """The next run, over an archive that has not changed."""
    runs.finish(session, run.id, "finished")
    return after_a_kill(session, prefix, release)


def after_a_kill(session: Session, prefix: Prefix = PREFIX, release: str = RELEASE) -> Run:
    """The same, when the run before could not say that it ended."""
    later = runs.start(session, prefix, release, "0.1.0", "host:2")
    session.execute(SEEN_AGAIN, {"run": later.id})
    return later


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_give_every_study_once(session: Session, run: Run, limit: int) -> None:
    put_studies(session, run, range(7))
    seen: list[str] = []
    after = 0
    while page := plan.pending(session, run.id, limit, after):
        assert len(page) <= limit
        seen += [study.study_uid for study in page]
        after = page[-1].id
    assert sorted(seen) == [f"1.2.{number}" for number in range(7)]
    assert plan.remaining(session, run.id) == 7


def test_a_plan_holds_what_reading_and_preparing_need(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    study = planned(session, run, 1)
    assert (study.pseudonym, study.site) == ("s_1", "unknown")
    first = study.instances[0]
    assert (first.bucket, first.key, first.etag, first.size) == ("archive", "night/1/1", "e1", 1000)
    assert (first.laterality, first.view, first.flags) == ("L", "CC", ("W_8BIT",))
    assert first.facts == {"rows": 3328, "columns": 2560}


def test_a_study_with_a_current_result_is_not_handed_out(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    results.record(session, run.id, scored(planned(session, run, 1)))
    assert uids(session, run) == ["1.2.2"]
    assert uids(session, again(session, run)) == ["1.2.2"]


def test_another_release_screens_it_anew(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    runs.register_release(session, "b" * 64, "second", {})
    assert uids(session, again(session, run, release="b" * 64)) == ["1.2.1"]


def test_only_studies_under_the_prefix_are_handed_out(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    assert uids(session, again(session, run, Prefix("archive", "night/1/"))) == ["1.2.1"]
    assert uids(session, again(session, run, Prefix("other", ""))) == []


def test_a_percent_sign_in_a_prefix_means_itself(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    assert uids(session, again(session, run, Prefix("archive", "nigh%"))) == []


@pytest.mark.parametrize("reason", list(NotScored))
def test_a_reason_that_may_pass_is_tried_again_by_the_next_run_only(
    session: Session, run: Run, reason: NotScored
) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, unscored(planned(session, run, 1), reason))
    assert uids(session, run) == []
    assert uids(session, again(session, run)) == ([] if reason.final else ["1.2.1"])


LONG_AGO, JUST_NOW = timedelta(hours=-3), timedelta(minutes=-5)


@pytest.fixture
def arriving(session: Session, run: Run) -> Run:
    """Study 1 came hours before the run; the last image of study 2 came minutes before it."""
    old, young = run.started_at + LONG_AGO, run.started_at + JUST_NOW
    put(session, run, {"1/1": [instance(1, 1)], "2/1": [instance(2, 1)]}, modified=old)
    put(session, run, {"2/2": [instance(2, 2)]}, modified=young)
    return run


def parted(session: Session, run: Run, minutes: int) -> tuple[list[str], list[str]]:
    """The studies that may be screened at once, and those that may still be arriving."""
    settled, waiting = (
        plan.pending(session, run.id, 10, arriving=arriving, settle_minutes=minutes)
        for arriving in (False, True)
    )
    return [s.study_uid for s in settled], [s.study_uid for s in waiting]


@pytest.mark.parametrize(
    ("minutes", "settled", "waiting"),
    [(60, ["1.2.1"], ["1.2.2"]), (4, ["1.2.1", "1.2.2"], []), (600, [], ["1.2.1", "1.2.2"])],
)
def test_a_study_waits_until_its_newest_object_is_a_settling_time_old(
    session: Session, arriving: Run, minutes: int, settled: list[str], waiting: list[str]
) -> None:
    assert parted(session, arriving, minutes) == (settled, waiting)


def test_a_site_may_have_a_settling_time_of_its_own(session: Session, arriving: Run) -> None:
    session.execute(text("UPDATE sites SET settings = '{\"settle_minutes\": 4}'"))
    assert parted(session, arriving, 60) == (["1.2.1", "1.2.2"], [])


def test_an_object_whose_age_nobody_kept_is_old_enough(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    assert parted(session, run, 60) == (["1.2.1"], [])


def test_a_late_image_has_the_study_screened_again(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    put(session, run, {"1/late": [instance(1, 9)]})
    assert len(planned(session, run, 1).instances) == 5


@pytest.mark.parametrize("reason", [Reason.NON_IMAGE_DOSE_SR, Reason.TRUNCATED])
def test_a_late_object_that_is_not_screened_does_not(
    session: Session, run: Run, reason: Reason
) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    put(session, run, {"1/late": [instance(1, 9, reason)]})
    assert uids(session, run) == []


def test_an_image_with_new_bytes_has_the_study_screened_again(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    put(session, run, {"1/1": [instance(1, 1)]}, etag="e2")
    assert uids(session, run) == ["1.2.1"]


def test_a_result_made_while_a_late_image_came_is_not_the_last_word(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    before = planned(session, run, 1)
    put(session, run, {"1/late": [instance(1, 9)]})
    results.record(session, run.id, scored(before))
    assert uids(session, run) == ["1.2.1"]


def test_a_study_that_kills_whatever_reads_it_becomes_poison(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    for attempt in range(1, plan.MAX_ATTEMPTS + 1):
        assert plan.close_unscorable(session, run.id) == {}
        assert plan.count_attempt(session, run.id, planned(session, run, 1)) == attempt
        run = after_a_kill(session)
    assert uids(session, run) == []
    assert plan.close_unscorable(session, run.id) == {NotScored.POISON: 1}
    assert plan.close_unscorable(session, run.id) == {}
    assert plan.close_unscorable(session, again(session, run).id) == {}


@pytest.mark.parametrize("reason", [NotScored.WORKER_DIED, NotScored.TIMED_OUT])
def test_so_does_one_that_ends_its_worker_or_its_time_each_night(
    session: Session, run: Run, reason: NotScored
) -> None:
    put_studies(session, run, [1])
    for _ in range(plan.MAX_ATTEMPTS):
        study = planned(session, run, 1)
        plan.count_attempt(session, run.id, study)
        results.record(session, run.id, unscored(study, reason))
        run = again(session, run)
    assert plan.close_unscorable(session, run.id) == {NotScored.POISON: 1}
    current = session.scalars(select(Result.reason).where(Result.superseded_at.is_(None)))
    assert current.all() == ["POISON"]


@pytest.mark.parametrize("reason", [NotScored.READ_FAILED, NotScored.INFER_FAILED])
def test_a_service_that_is_down_for_nights_poisons_nothing(
    session: Session, run: Run, reason: NotScored
) -> None:
    put_studies(session, run, [1])
    for _ in range(plan.MAX_ATTEMPTS + 1):
        study = planned(session, run, 1)
        assert plan.count_attempt(session, run.id, study) == 1
        results.record(session, run.id, unscored(study, reason))
        run = again(session, run)
    assert uids(session, run) == ["1.2.1"]


def test_a_run_that_is_stopped_by_hand_counts_nothing_against_what_it_had_in_flight(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1, 2])
    for _ in range(plan.MAX_ATTEMPTS + 1):
        assert plan.count_attempt(session, run.id, planned(session, run, 1)) == 1
        runs.finish(session, run.id, "interrupted")
        run = after_a_kill(session)
    plan.count_attempt(session, run.id, planned(session, run, 1))
    run = after_a_kill(session)
    plan.count_attempt(session, run.id, planned(session, run, 1))
    runs.finish(session, run.id, "interrupted")
    run = after_a_kill(session)
    assert plan.count_attempt(session, run.id, planned(session, run, 1)) == 2


def test_a_changed_study_gets_its_attempts_anew(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    for _ in range(plan.MAX_ATTEMPTS):
        plan.count_attempt(session, run.id, planned(session, run, 1))
    assert plan.close_unscorable(session, run.id) == {NotScored.POISON: 1}
    put(session, run, {"1/late": [instance(1, 9)]})
    assert plan.count_attempt(session, run.id, planned(session, run, 1)) == 1


def test_studies_that_need_no_look_at_a_pixel_are_closed_in_batches(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    put(
        session,
        run,
        {
            "no": [instance(2, 1, Reason.TOMO_VOLUME)],
            "bad": [instance(3, 1, Reason.TRUNCATED)],
            "m1": [instance(4, 1, patient="p_a")],
            "m2": [instance(4, 2, patient="p_b")],
            "ct": [instance(5, 1, Reason.SOP_OTHER, mammography=False)],
        },
    )
    assert uids(session, run) == ["1.2.1"]
    closed = [plan.close_unscorable(session, run.id, limit=2) for _ in range(3)]
    assert [sum(batch.values()) for batch in closed] == [2, 1, 0]
    assert closed[0] | closed[1] == {
        NotScored.NO_2D_IMAGE: 1,
        NotScored.ALL_QUARANTINED: 1,
        NotScored.MIXED_PATIENTS: 1,
    }
    assert plan.close_unscorable(session, again(session, run).id) == {}


def test_a_closed_study_that_gets_an_image_is_screened(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1, Reason.TOMO_VOLUME)]})
    plan.close_unscorable(session, run.id)
    put(session, run, {"b": [instance(1, 2)]})
    results.record(session, run.id, scored(planned(session, run, 1), level=Level.LOW))
    rows = session.execute(
        select(Result.level, Result.superseded_at.is_(None)).order_by(Result.id)
    ).all()
    assert [tuple(row) for row in rows] == [("not_scored", False), ("low", True)]
