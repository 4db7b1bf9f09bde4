"""Guarantee 3: every mammography study stands in the list, once, in its place."""

import random
import re
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import plan, ranking, results, worklist
from db.results import BreastScore
from db.runs import Run
from db.schema import WorklistRow
from db.worklist import InvalidCursor
from mammo.codes import Level, NotScored, Reason
from tests.db.archive import instance, planned, put, put_studies, scored, unscored

RANKS = ("urgent", "not_scored", "soon", "routine", "low")


def all_pages(session: Session, limit: int, **asked: Any) -> list[worklist.WorklistItem]:
    items: list[worklist.WorklistItem] = []
    cursor: str | None = None
    while True:
        page = worklist.page(session, limit, after=cursor, **asked)
        items += page.items
        cursor = page.next
        if cursor is None:
            return items
        assert len(page.items) == limit


@pytest.fixture
def large(engine: Engine, session: Session, run: Run) -> list[tuple[int, float, str]]:
    """5,000 studies with random levels and many equal probabilities; their keys of order."""
    dice = random.Random(7)
    rows = []
    for number in range(5000):
        level = dice.choice(RANKS)
        probability = None if level == "not_scored" else round(dice.random(), 2)
        site = dice.choice(["north", "south"])
        rows.append((f"1.2.{number}", level, probability, site))
    session.execute(
        text(
            """
            WITH drawn AS (
                SELECT * FROM unnest(cast(:uids AS text[]), cast(:levels AS text[]),
                    cast(:probabilities AS float8[]), cast(:sites AS text[]))
                    AS drawn (uid, level, probability, site)
            ),
            studied AS (
                INSERT INTO studies (study_uid, pseudonym, site, is_mammography)
                SELECT uid, uid, site, true FROM drawn
                RETURNING id, study_uid
            )
            INSERT INTO results (study_id, release, run_id, fingerprint, content_digest,
                code_version, level, probability, left_probability, score, left_score, reason)
            SELECT id, :release, :run, '', '', '', level, probability, probability,
                CASE WHEN level <> 'not_scored' THEN 5 END,
                CASE WHEN level <> 'not_scored' THEN 5 END,
                CASE WHEN level = 'not_scored' THEN 'POISON' END
            FROM studied JOIN drawn ON drawn.uid = study_uid
            """
        ),
        {
            "release": run.release,
            "run": run.id,
            "uids": [uid for uid, _, _, _ in rows],
            "levels": [level for _, level, _, _ in rows],
            "probabilities": [probability for _, _, probability, _ in rows],
            "sites": [site for _, _, _, site in rows],
        },
    )
    ranking.show(session, list(session.scalars(text("SELECT id FROM studies"))))
    session.commit()
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).execute(
        text("VACUUM ANALYZE worklist")
    )
    session.commit()
    return sorted((RANKS.index(level), -(p or 0.0), uid) for uid, level, p, _ in rows)


def test_pages_are_complete_ordered_and_without_repeats(
    session: Session, large: list[tuple[int, float, str]]
) -> None:
    items = all_pages(session, 700)
    assert [item.study_uid for item in items] == [uid for _, _, uid in large]
    assert [item.rank for item in items] == list(range(1, 5001))


def test_a_level_and_a_site_filter_keep_the_order(
    session: Session, large: list[tuple[int, float, str]]
) -> None:
    whole = all_pages(session, 5000)
    for level in Level:
        found = all_pages(session, 300, level=level, site="north")
        expected = [i.study_uid for i in whole if i.level is level and i.site == "north"]
        assert [item.study_uid for item in found] == expected
        assert [item.rank for item in found] == list(range(1, len(expected) + 1))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "asked", [{}, {"level": Level.ROUTINE}, {"site": "south"}, {"site": "south", "level": "soon"}]
)
def test_a_page_in_the_middle_is_read_from_an_index_in_order(
    engine: Engine, session: Session, asked: dict[str, Any]
) -> None:
    if "level" in asked:
        asked = asked | {"level": Level(asked["level"])}
    middle = worklist.page(session, 200, **asked).next
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    worklist.page(session, 20, after=middle, **asked)
    event.remove(engine, "before_cursor_execute", note)
    statement, parameters = next(item for item in seen if "ORDER BY worklist" in item[0])
    cursor = session.connection().connection.cursor()
    cursor.execute("EXPLAIN " + statement, parameters)
    lines = "\n".join(line for (line,) in cursor.fetchall())
    # By UID alone, the rest of the level, and the levels after it, which a level does not have.
    scans = re.findall(r"Scan (?:using|on) ix_worklist", lines)
    assert len(scans) == (2 if "level" in asked else 3)
    assert "Seq Scan" not in lines


def test_counts_are_those_of_the_rows_after_random_changes(session: Session, run: Run) -> None:
    dice = random.Random(11)
    put_studies(session, run, range(8))
    plans = {number: planned(session, run, number) for number in range(8)}
    for step in range(60):
        study = plans[dice.randrange(8)]
        result = (
            unscored(study, dice.choice(list(NotScored)))
            if dice.random() < 0.3
            else scored(study, step / 1000, dice.choice([Level.URGENT, Level.SOON, Level.LOW]))
        )
        results.record(session, run.id, result)
    rows = session.execute(select(WorklistRow.level, func.count()).group_by(WorklistRow.level))
    assert {k.value: n for k, n in worklist.counts(session).items() if n} == dict(map(tuple, rows))
    assert sum(worklist.counts(session).values()) == 8
    assert sum(worklist.counts(session, site="nowhere").values()) == 0


def test_a_study_that_was_not_screened_yet_stands_as_pending(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    (item,) = worklist.page(session, 10).items
    assert (item.level, item.warnings, item.release) == (Level.NOT_SCORED, ("PENDING",), None)
    assert (item.score, item.probability, item.breasts) == (None, None, {})


@pytest.mark.parametrize("reason", list(NotScored))
def test_a_study_that_could_not_be_scored_stands_before_the_less_urgent_and_says_why(
    session: Session, run: Run, reason: NotScored
) -> None:
    put_studies(session, run, [1, 2, 3])
    results.record(session, run.id, scored(planned(session, run, 1), 0.99, Level.SOON))
    results.record(session, run.id, unscored(planned(session, run, 2), reason))
    results.record(session, run.id, scored(planned(session, run, 3), 0.5, Level.URGENT))
    items = worklist.page(session, 10).items
    assert [item.study_uid for item in items] == ["1.2.3", "1.2.2", "1.2.1"]
    assert items[1].warnings == (reason.value,)


def test_an_item_says_what_was_found_and_what_was_left_out(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    put(session, run, {"spot": [instance(1, 8, Reason.SPOT)]})
    results.record(session, run.id, scored(planned(session, run, 1), 0.25, Level.ROUTINE, 4))
    (item,) = worklist.page(session, 10).items
    assert (item.pseudonym, item.score, item.probability) == ("s_1", 4, 0.25)
    assert item.breasts == {"L": BreastScore(4, 0.25), "R": BreastScore(1, 0.01)}
    assert item.findings[0].box == (10.0, 20.0, 30.5, 40.0)
    assert (item.findings[0].kind, item.findings[0].laterality) == ("mass", "L")
    assert item.exclusions == (("1.2.1.8", "SPOT"),)
    assert (item.release, item.site, item.warnings) == (run.release, "unknown", ("W_X",))


def test_a_result_from_before_a_late_image_is_shown_and_marked(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    put(session, run, {"late": [instance(1, 9)]})
    session.expire_all()
    (item,) = worklist.page(session, 10).items
    assert (item.score, item.warnings) == (7, ("LATE_IMAGE", "W_X"))


def test_the_list_holds_every_mammography_study_and_no_other(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    put(
        session,
        run,
        {
            "ct": [instance(2, 1, Reason.SOP_OTHER, mammography=False)],
            "tomo": [instance(3, 1, Reason.TOMO_VOLUME)],
            "broken": [instance(4, 1, Reason.TRUNCATED)],
        },
    )
    plan.close_unscorable(session, run.id)
    assert [i.study_uid for i in worklist.page(session, 10).items] == ["1.2.1", "1.2.3", "1.2.4"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "WzFd", "bnVsbA", "WzEsMiwzLDRd", "WzEsMiwiYSIsImIiXQ"]
)
def test_a_cursor_that_no_page_gave_is_refused(session: Session, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        worklist.page(session, 10, after=cursor)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("level = 'soon'", "ck_worklist_"),
        ("probability = 0.5", "ck_worklist_ranked_by_probability"),
        ("level = 'soon', probability = 0.5", "ck_worklist_pending"),
        ("level = 'odd', probability = 0.5", "ck_worklist_"),
    ],
)
def test_postgres_refuses_a_place_that_nothing_gave(
    session: Session, run: Run, change: str, constraint: str
) -> None:
    put_studies(session, run, [1])
    with pytest.raises(IntegrityError, match=constraint):
        session.execute(text(f"UPDATE worklist SET {change}"))


def test_postgres_refuses_a_place_other_than_the_results(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1), 0.5, Level.SOON))
    with pytest.raises(IntegrityError, match="fk_worklist_result_id"):
        session.execute(text("UPDATE worklist SET level = 'low'"))


def test_the_order_of_levels_is_that_of_the_enum() -> None:
    assert tuple(level.value for level in Level) == RANKS
