"""What is old goes by table, and never what is needed."""

from datetime import date

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db import reading, results, retention, runs
from db.counts import nights
from mammo.codes import Call
from tests.db.archive import planned, put_studies, scored
from tests.db.conftest import PREFIX, RELEASE

ALL = {"superseded": 30, "runs": 30, "counts": 30, "exports": 30, "sign_ins": 30}


@pytest.fixture
def aged(engine: Engine) -> Engine:
    """Four studies screened three times each, long ago.

    The first is unread; the second was read, its second result was decided on; the third was
    read; all of the fourth is new.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        runs.register_release(session, RELEASE, "first", {})
        run = runs.start(session, PREFIX, RELEASE, "0", "host:1")
        put_studies(session, run, [1, 2, 3, 4])
        for turn in range(3):
            session.execute(text("UPDATE studies SET fingerprint = :turn"), {"turn": str(turn)})
            for study in (1, 2, 3, 4):
                results.record(session, run.id, scored(planned(session, run, study), 0.1 * turn))
            if turn == 1:
                decide(session, 2, complete=False)
        for study in (2, 3):
            decide(session, study)
        session.execute(
            text("UPDATE results SET superseded_at = now() - interval '40 days'"
                 " WHERE superseded_at IS NOT NULL AND study_id <> 4")
        )  # fmt: skip
        for at in ("now() - interval '40 days'", "now()"):
            session.execute(
                text("INSERT INTO exports (study_id, kind, target, place, name, at)"
                     f" SELECT id, 'csv', 's3', 's3://out/', 'x' || {at}, {at} FROM studies")
            )  # fmt: skip
        runs.finish(session, run.id, "finished")
    return engine


def decide(session: Session, study: int, *, complete: bool = True) -> None:
    plan = session.execute(
        text("SELECT study_uid, fingerprint FROM studies WHERE study_uid = :uid"),
        {"uid": f"1.2.{study}"},
    ).one()
    decision = reading.Decision(*plan, "anna", Call.ROUTINE, Call.ROUTINE, score_seen=False)
    reading.decide(session, decision, complete=complete)


def results_left(engine: Engine) -> dict[int, int]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT study_id, count(*) FROM results GROUP BY 1"))
        return dict(sorted((row[0], row[1]) for row in rows))


def test_superseded_results_go_but_not_of_an_unread_study_nor_what_was_decided_on(
    aged: Engine,
) -> None:
    assert retention.old(aged, ALL)["superseded"] == 3
    assert results_left(aged) == {1: 3, 2: 3, 3: 3, 4: 3}
    assert retention.let_go(aged, ALL, "officer")["superseded"] == 3
    assert results_left(aged) == {1: 3, 2: 2, 3: 1, 4: 3}
    assert retention.let_go(aged, ALL, "officer") == dict.fromkeys(ALL, 0)


def test_the_newest_result_of_a_study_stays_even_where_it_is_superseded(aged: Engine) -> None:
    with aged.begin() as connection:
        connection.execute(
            text("UPDATE worklist SET result_id = NULL, release = NULL, level = 'not_scored',"
                 " probability = NULL WHERE study_id = 3")
        )  # fmt: skip
        connection.execute(
            text("UPDATE results SET superseded_at = now() - interval '40 days' WHERE study_id = 3")
        )
        (newest,) = connection.scalars(text("SELECT max(id) FROM results WHERE study_id = 3"))
    with aged.begin() as connection:  # the last decision was made on the newest one: not on this
        connection.execute(text("ALTER TABLE decisions DISABLE TRIGGER added_to_only"))
        connection.execute(text("UPDATE decisions SET result_id = NULL"))
        connection.execute(text("ALTER TABLE decisions ENABLE TRIGGER added_to_only"))
    retention.let_go(aged, ALL, "officer")
    with aged.connect() as connection:
        assert connection.scalars(text("SELECT id FROM results WHERE study_id = 3")).all() == [
            newest
        ]


def test_old_runs_go_when_nothing_is_left_of_them(aged: Engine) -> None:
    with Session(aged, expire_on_commit=False) as session, session.begin():
        for _ in range(3):
            run = runs.start(session, PREFIX, RELEASE, "0", "host:1")
            runs.finish(session, run.id, "finished")
        session.execute(text("UPDATE runs SET finished_at = now() - interval '40 days'"))
    assert retention.let_go(aged, {"runs": 30}, "officer") == {"runs": 2}
    with aged.connect() as connection:  # the first has said something, the last is the last
        assert connection.scalars(text("SELECT id FROM runs ORDER BY id")).all() == [1, 4]


def test_old_nights_and_exports_go_and_recent_ones_stay(aged: Engine) -> None:
    with aged.begin() as connection:
        connection.execute(
            text("INSERT INTO score_counts SELECT site, release, night - 40, score, sum(number),"
                 " sum(probability) FROM score_changes GROUP BY 1, 2, 3, 4")
        )  # fmt: skip
    with Session(aged) as session:
        assert len(nights(session, "unknown", date.min)) == 2
    gone = retention.let_go(aged, {"counts": 30, "exports": 30}, "officer")
    assert gone == {"counts": 1, "exports": 4}
    with Session(aged) as session:
        assert len(nights(session, "unknown", date.min)) == 1
        assert session.scalar(text("SELECT count(*) FROM exports")) == 4


def test_sessions_and_tokens_that_ended_go_and_those_that_stand_stay(engine: Engine) -> None:
    sessions = "INSERT INTO web_sessions (digest, who, name, roles, begun_at, ends_at)"
    tokens = "INSERT INTO service_tokens (name, role, digest, made_at, expires_at, revoked_at)"
    ago = "now() - make_interval(days => {})".format
    with engine.begin() as connection:
        for digest, who, ends_at in (
            ("a", "long gone", ago(40)),
            ("b", "gone", ago(20)),
            ("c", "here", "now() + interval '1 hour'"),
        ):
            connection.execute(
                text(f"{sessions} VALUES (repeat('{digest}', 64), '{who}', '', '{{}}',"
                     f" {ago(50)}, {ends_at})")
            )  # fmt: skip
        for digest, name, expires_at, revoked_at in (
            ("d", "expired", ago(40), "NULL"),
            ("e", "revoked", "'infinity'", ago(40)),
            ("f", "lately", "'infinity'", ago(20)),
            ("0", "stands", "'infinity'", "NULL"),
        ):
            connection.execute(
                text(f"{tokens} VALUES ('{name}', 'service', repeat('{digest}', 64), {ago(50)},"
                     f" {expires_at}, {revoked_at})")
            )  # fmt: skip
    assert retention.old(engine, {"sign_ins": 30}) == {"sign_ins": 3}
    assert retention.let_go(engine, {"sign_ins": 30}, "officer") == {"sign_ins": 3}
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT who FROM web_sessions ORDER BY 1")).all() == [
            "gone", "here",
        ]  # fmt: skip
        assert connection.scalars(text("SELECT name FROM service_tokens ORDER BY 1")).all() == [
            "lately", "stands",
        ]  # fmt: skip


def test_the_role_that_erases_may_do_it_and_it_is_audited(aged: Engine) -> None:
    with aged.connect() as connection, Session(connection) as session:
        session.execute(text("SET ROLE nightread_erasure"))
        for name in retention.TABLES:
            assert retention._page(session, name, 30) >= 0
        session.rollback()
    retention.let_go(aged, ALL, "officer")
    with aged.connect() as connection:
        (detail,) = connection.scalars(text("SELECT detail FROM audit WHERE action = 'let_go'"))
    assert detail["rows"]["superseded"] == 3


def test_batches_end_with_the_last_row(aged: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    assert retention.let_go(aged, {"superseded": 30}, "officer") == {"superseded": 3}
