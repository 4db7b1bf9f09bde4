"""Guarantee 23: the active release of a site ranks its list, and nothing is mixed silently."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session

from db import index, plan, promotions, ranking, rejudge, results, runs, worklist
from db.ranking import rerank, rerank_page
from db.runs import Run
from db.schema import Study, WorklistRow
from db.session import in_transaction
from mammo.codes import Level, NotScored, Reason
from nightread.stack.wait import until
from tests.db.archive import instance, planned, put, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE

FIRST, SECOND = RELEASE, "b" * 64
BLOCKED = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)


def say(session: Session, run: Run, study: int, probability: float, level: Level) -> None:
    """What `run`'s release says of the study 1.2.`study`."""
    results.record(session, run.id, scored(planned(session, run, study), probability, level))


def shown(session: Session) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """By study: the release whose result is shown, and what is marked."""
    session.expire_all()
    return {
        item.study_uid: (
            item.release and item.release[0],
            tuple(w for w in item.warnings if w != "W_X"),
        )
        for item in worklist.page(session, 100).items
    }


@pytest.fixture
def second(session: Session, run: Run) -> Run:
    """A run of another release over the same prefix; the first one is active."""
    promotions.promote(session, "unknown", FIRST, "0")
    runs.register_release(session, SECOND, "second", {"name": "second"})
    return runs.start(session, PREFIX, SECOND, "0", "host:1")


def follow(session: Session) -> int:
    """Let all lists follow, in this transaction; returns how many batches it took."""
    batches = 0
    while rerank_page(session):
        batches += 1
    return batches


def test_the_active_release_ranks_whoever_spoke_last(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1, 2])
    say(session, run, 1, 0.2, Level.LOW)
    say(session, second, 1, 0.9, Level.URGENT)
    say(session, second, 2, 0.8, Level.URGENT)
    say(session, run, 2, 0.3, Level.LOW)
    assert shown(session) == {"1.2.1": ("a", ()), "1.2.2": ("a", ())}
    assert [i.probability for i in worklist.page(session, 9).items] == [0.3, 0.2]


def test_what_the_active_release_has_not_screened_shows_the_older_result_marked(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1, 2])
    say(session, second, 1, 0.9, Level.URGENT)
    assert shown(session) == {"1.2.1": ("b", ("OTHER_RELEASE",)), "1.2.2": (None, ("PENDING",))}
    say(session, run, 1, 0.1, Level.LOW)
    assert shown(session)["1.2.1"] == ("a", ())


def test_what_the_active_release_could_not_score_is_not_covered_up_by_an_older_score(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1])
    say(session, second, 1, 0.1, Level.LOW)
    plan_of = planned(session, run, 1)
    results.record(session, run.id, unscored(plan_of, NotScored.READ_FAILED))
    assert shown(session) == {"1.2.1": ("a", ("READ_FAILED",))}


def test_a_promoted_release_takes_the_list_and_going_back_gives_it_back(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1, 2, 3])
    for study in (1, 2, 3):
        say(session, run, study, 0.5, Level.SOON)
    for study in (1, 2):
        say(session, second, study, 0.9, Level.URGENT)
    promotions.promote(session, "unknown", SECOND, "0")
    session.flush()
    # Until the rows follow, each of them says that it shows another release.
    assert set(shown(session).values()) == {("a", ("OTHER_RELEASE",))}
    follow(session)
    assert shown(session) == {
        "1.2.1": ("b", ()),
        "1.2.2": ("b", ()),
        "1.2.3": ("a", ("OTHER_RELEASE",)),
    }
    promotions.go_back(session, promotions.standing(session, "unknown"), "0")
    session.flush()
    follow(session)
    assert set(shown(session).values()) == {("a", ())}


def test_a_release_that_was_set_by_hand_is_followed_too(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1])
    say(session, run, 1, 0.5, Level.SOON)
    say(session, second, 1, 0.9, Level.URGENT)
    session.execute(text("UPDATE sites SET release = :second"), {"second": SECOND})
    follow(session)
    assert shown(session) == {"1.2.1": ("b", ())}


def test_a_list_follows_in_bounded_batches_and_goes_on_where_it_was_left(
    engine: Engine, session: Session, run: Run, second: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAGE", 3)
    put_studies(session, second, range(8))
    for study in range(8):
        say(session, run, study, 0.5, Level.SOON)
        say(session, second, study, 0.9, Level.URGENT)
    promotions.promote(session, "unknown", SECOND, "0")
    session.commit()
    follow_once = in_transaction(engine, rerank_page)
    assert follow_once == ("unknown", 3)
    session.expire_all()
    assert (
        sorted(mark for _, mark in shown(session).values()) == [()] * 3 + [("OTHER_RELEASE",)] * 5
    )
    session.commit()
    changed: list[int] = []

    @event.listens_for(engine, "after_cursor_execute")
    def note(_: object, cursor: object, statement: str, *__: object) -> None:
        if "INSERT INTO worklist" in statement:
            changed.append(getattr(cursor, "rowcount", 0))

    assert rerank(engine) == 5
    assert changed == [3, 2]
    assert set(shown(session).values()) == {("b", ())}
    assert rerank(engine) == 0


def test_a_promotion_that_comes_while_the_list_follows_is_followed_from_the_beginning(
    engine: Engine, session: Session, run: Run, second: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAGE", 2)
    put_studies(session, second, range(4))
    for study in range(4):
        say(session, run, study, 0.5, Level.SOON)
        say(session, second, study, 0.9, Level.URGENT)
    promotions.promote(session, "unknown", SECOND, "0")
    session.commit()
    in_transaction(engine, rerank_page)
    in_transaction(engine, lambda s: promotions.promote(s, "unknown", FIRST, "0"))
    rerank(engine)
    assert set(shown(session).values()) == {("a", ())}


def test_two_that_let_a_list_follow_share_the_work(
    engine: Engine, session: Session, run: Run, second: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAGE", 1)
    put_studies(session, second, range(6))
    for study in range(6):
        say(session, second, study, 0.9, Level.URGENT)
    promotions.promote(session, "unknown", SECOND, "0")
    session.commit()
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: rerank(engine), range(2))) == 6
    assert set(shown(session).values()) == {("b", ())}


def test_a_result_written_while_a_release_becomes_active_ends_in_its_place(
    engine: Engine, session: Session, run: Run, second: Run
) -> None:
    """The writer read the site before the promotion, and commits after the list has followed."""
    put_studies(session, second, [1])
    say(session, run, 1, 0.5, Level.SOON)
    session.commit()
    say(session, second, 1, 0.9, Level.URGENT)  # not committed: it shows the first one still
    assert shown(session) == {"1.2.1": ("a", ())}
    in_transaction(engine, lambda s: promotions.promote(s, "unknown", SECOND, "0"))
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(rerank, engine)
        assert until(lambda: session.execute(BLOCKED).scalar_one() == 1, 20)
        session.commit()
        assert following.result() == 1
    assert shown(session) == {"1.2.1": ("b", ())}


def test_a_study_that_moves_to_another_site_shows_what_that_sites_release_said(
    session: Session, run: Run, second: Run
) -> None:
    put_studies(session, second, [1])
    say(session, run, 1, 0.5, Level.SOON)
    say(session, second, 1, 0.9, Level.URGENT)
    session.execute(
        text(
            "INSERT INTO sites (name, prefix, release) VALUES ('north', 's3://archive/', :second)"
        ),
        {"second": SECOND},
    )
    assert rejudge.judge_page(session, 0) is not None
    assert shown(session) == {"1.2.1": ("b", ())}


def test_a_site_without_a_release_shows_what_was_said_last_and_marks_other_releases_than_the_last_runs(
    session: Session, run: Run, second: Run
) -> None:
    session.execute(text("UPDATE sites SET release = NULL"))
    put_studies(session, second, [1, 2])
    say(session, run, 1, 0.5, Level.SOON)
    say(session, run, 2, 0.5, Level.SOON)
    say(session, second, 1, 0.9, Level.URGENT)
    assert shown(session) == {"1.2.1": ("b", ()), "1.2.2": ("a", ("OTHER_RELEASE",))}


def test_a_study_of_no_known_site_stands_in_the_list_with_a_mark(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    assert shown(session) == {"1.2.1": (None, ("PENDING",))}  # there are no sites to tell apart
    session.execute(text("INSERT INTO sites (name, prefix) VALUES ('north', 's3://archive/n/')"))
    put(session, run, {"n/1": [instance(2, 1)]})
    assert shown(session)["1.2.1"] == (None, ("PENDING", "UNKNOWN_SITE"))
    session.execute(text("UPDATE worklist SET site = 'closed'"))
    assert {marks for _, marks in shown(session).values()} == {("PENDING", "UNKNOWN_SITE")}


def test_the_sum_over_the_list_equals_the_studies_in_the_archive(
    session: Session, run: Run, second: Run
) -> None:
    """Guarantee 3, of an archive in which everything that can go wrong did."""
    session.execute(text("INSERT INTO sites (name, prefix) VALUES ('north', 's3://archive/n/')"))
    put_studies(session, second, range(10, 22))
    put(session, second, {"tomo": [instance(22, 1, Reason.TOMO_VOLUME)]})
    put(session, second, {"broken": [instance(23, 1, Reason.TRUNCATED)]})
    put(session, second, {"two": [instance(24, 1, patient="p_a"), instance(24, 2, patient="p_b")]})
    put(session, second, {"one": [instance(25, 1)]})
    put(session, second, {"other": [instance(25, 1)]}, etag="e2", size=2000)  # conflicting bytes
    put(session, second, {"ct": [instance(26, 1, Reason.SOP_OTHER, mammography=False)]})
    plan.close_unscorable(session, run.id)
    for study in range(10, 15):
        say(session, run, study, 0.5, Level.SOON)
    for study in range(13, 18):
        say(session, second, study, 0.9, Level.URGENT)
    results.record(session, run.id, unscored(planned(session, run, 18), NotScored.TIMED_OUT))
    runs.register_release(session, "c" * 64, "third", {})
    third = runs.start(session, PREFIX, "c" * 64, "0", "host:1")
    index.listing_done(session, third.id)  # which saw none of it: all objects are gone
    session.execute(text("UPDATE worklist SET read_at = now(), read_fingerprint = 'x'"
                         " WHERE study_uid < '1.2.12'"))  # fmt: skip
    promotions.promote(session, "unknown", SECOND, "0")
    session.flush()
    for _ in range(2):
        items = worklist.page(session, 100).items
        studies = session.scalars(select(Study.study_uid).where(Study.is_mammography)).all()
        assert sorted(item.study_uid for item in items) == sorted(studies)
        assert sum(worklist.counts(session).values()) == len(studies) == 16
        assert all(item.score is not None or item.warnings for item in items)
        follow(session)


def test_a_study_that_nobody_read_ages_into_a_mark_and_stays(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, [1, 2, 3])
    session.execute(text("UPDATE worklist SET listed_at = now() - interval '31 days'"
                         " WHERE study_uid <> '1.2.3'"))  # fmt: skip
    session.execute(text("UPDATE worklist SET read_at = now(), read_fingerprint ="
                         " (SELECT fingerprint FROM studies s WHERE s.id = study_id)"
                         " WHERE study_uid = '1.2.1'"))  # fmt: skip
    session.commit()
    assert ranking.age(engine, days=30) == 1
    assert ranking.age(engine, days=30) == 0
    items = worklist.page(session, 10).items
    assert {item.study_uid: item.aged for item in items} == {
        "1.2.1": False, "1.2.2": True, "1.2.3": False,
    }  # fmt: skip
    assert session.scalar(select(func.count()).select_from(WorklistRow)) == 3
