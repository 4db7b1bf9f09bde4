"""Kept counts equal `count(*)`, whoever writes at the same time, and no writer waits for them."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db import counts, ranking, results, runs, worklist
from db.counts import State
from db.runs import Run
from db.session import in_transaction
from mammo.codes import Level, NotScored
from tests.db.archive import planned, put_studies, scored, unscored

CHANGES, WRITERS, STUDIES = 1000, 4, 60

COUNTED = text(
    """
    SELECT level,
        count(*) FILTER (WHERE read_at IS NULL AND aged_at IS NULL) AS open,
        count(*) FILTER (WHERE read_at IS NULL AND aged_at IS NOT NULL) AS aged,
        count(*) FILTER (WHERE read_at IS NOT NULL) AS read
    FROM worklist WHERE site = coalesce(:site, site) GROUP BY level
    """
)
# One random study, or a few of them.
MOVES = (
    "UPDATE worklist SET site = CASE WHEN site = 'north' THEN 'south' ELSE 'north' END WHERE {}",
    "UPDATE worklist SET aged_at = CASE WHEN aged_at IS NULL THEN now() END WHERE {}",
    "UPDATE worklist SET read_at = now(), read_fingerprint = 'x' WHERE {}",
    "UPDATE worklist SET read_at = NULL, read_fingerprint = NULL WHERE {}",
    (
        "UPDATE worklist SET level = 'not_scored', probability = NULL, result_id = NULL,"
        " release = NULL, incomplete = false WHERE {}"
    ),
    "DELETE FROM worklist WHERE {}",
)


def counted(session: Session, site: str | None = None) -> dict[Level, State]:
    found = {
        row.level: State(row.open, row.aged, row.read)
        for row in session.execute(COUNTED, {"site": site})
    }
    return {level: found.get(level.value, State(0, 0, 0)) for level in Level}


def change(session: Session, studies: list[int], dice: random.Random) -> None:
    some = sorted(dice.sample(studies, dice.choice([1, 1, 1, 5])))
    if dice.random() < 0.5:
        session.execute(
            text("SELECT FROM studies WHERE id = ANY(:some) ORDER BY id FOR UPDATE"),
            {"some": some},
        )
        ranking.show(session, some)
    else:
        session.execute(text(dice.choice(MOVES).format("study_id = ANY(:some)")), {"some": some})
    if dice.random() < 0.1:
        session.rollback()


def test_counts_equal_the_rows_after_a_thousand_changes_by_several_writers(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, range(STUDIES))
    for number in range(0, STUDIES, 2):
        level = list(Level)[number % 5]
        plan = planned(session, run, number)
        results.record(
            session,
            run.id,
            unscored(plan, NotScored.READ_FAILED)
            if level is Level.NOT_SCORED
            else scored(plan, number / 100, level),
        )
    session.commit()
    studies = list(session.scalars(text("SELECT id FROM studies")))

    def write(number: int) -> None:
        dice = random.Random(number)
        for _ in range(CHANGES // WRITERS):
            in_transaction(engine, lambda s: change(s, studies, dice))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    session.commit()
    for site in (None, "north", "south", "unknown", "nowhere"):
        assert counts.states(session, site) == counted(session, site)
    folded = session.scalar(text("SELECT count(*) FROM worklist_counts"))
    waiting = session.scalar(text("SELECT count(*) FROM worklist_changes"))
    assert folded
    assert waiting < 2 * 256  # and a reading sums no more, however much is written


def test_a_writer_does_not_wait_for_another_ones_counts(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, [1, 2])
    session.commit()
    held = planned(session, run, 1)
    results.record(session, run.id, scored(held))  # of the same site and level, not committed

    def other(elsewhere: Session) -> None:
        elsewhere.execute(text("SET LOCAL lock_timeout = '1s'"))
        results.record(elsewhere, run.id, scored(planned(elsewhere, run, 2)))

    in_transaction(engine, other)
    session.rollback()
    assert counts.states(session) == counted(session)


def test_a_reading_while_changes_are_folded_neither_misses_nor_doubles_one(
    engine: Engine, session: Session, run: Run
) -> None:
    put_studies(session, run, range(5))
    session.commit()
    before = counts.states(session)
    session.commit()
    with engine.connect() as folding, folding.begin():
        folding.execute(text("SELECT fold_worklist_changes()"))
        assert counts.states(session) == before
        session.commit()
    assert counts.states(session) == before == counted(session)
    assert session.scalar(text("SELECT count(*) FROM worklist_changes")) == 0


def test_the_states_of_a_level_add_up_to_what_is_listed(session: Session, run: Run) -> None:
    put_studies(session, run, range(3))
    session.execute(text("UPDATE worklist SET aged_at = now() WHERE study_uid = '1.2.1'"))
    assert counts.states(session)[Level.NOT_SCORED] == State(open=2, aged=1, read=0)
    assert worklist.counts(session)[Level.NOT_SCORED] == 3


def test_a_sites_scores_are_known_night_by_night_and_release_by_release(
    session: Session, run: Run
) -> None:
    put_studies(session, run, range(4))
    session.execute(text("UPDATE runs SET started_at = '2026-11-20 23:30+00'"))
    for study, score in ((0, 3), (1, 3), (2, 10)):
        results.record(
            session, run.id, scored(planned(session, run, study), score / 10, Level.SOON, score)
        )
    results.record(session, run.id, unscored(planned(session, run, 3), NotScored.TIMED_OUT))
    runs.finish(session, run.id, "finished")
    runs.register_release(session, "b" * 64, "second", {})
    later = runs.start(session, run.prefix, "b" * 64, "0", "host:1")
    session.execute(text("UPDATE runs SET started_at = '2026-11-22 00:10+00' WHERE id = :id"),
                    {"id": later.id})  # fmt: skip
    put_studies(session, later, [0])
    results.record(session, later.id, scored(planned(session, later, 0), 0.9, Level.URGENT, 9))
    first, second = counts.nights(session, "unknown")
    assert (first.night, first.release, first.scored, first.not_scored) == (
        date(2026, 11, 20), run.release, 3, 1,
    )  # fmt: skip
    assert first.scores == (0, 0, 2, 0, 0, 0, 0, 0, 0, 1)
    assert first.mean_probability == pytest.approx((0.3 + 0.3 + 1.0) / 3)
    assert (second.night, second.release, second.mean_probability) == (
        date(2026, 11, 22), "b" * 64, pytest.approx(0.9),
    )  # fmt: skip
    assert counts.nights(session, "unknown", date(2026, 11, 21)) == [second]
    assert counts.nights(session, "elsewhere") == []
