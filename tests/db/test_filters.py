"""Whatever is asked of the worklist is answered from an index, rightly and in order."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from benchmarks.filled import ACTIVE, BIG, OLDER, fill
from db import counts, ranking, reading, worklist
from db.filters import Period
from db.history import history
from db.session import connect
from mammo.codes import Level, Status
from tests.db.conftest import in_database, run_sql

STUDIES = 20_000
DAY = date(2024, 3, 5)

# What is asked, and the same in plain words of the table.
ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "true"),
    "level": ({"level": Level.ROUTINE}, "level = 'routine'"),
    "site": ({"site": "site03"}, "site = 'site03'"),
    "site and level": (
        {"site": "site03", "level": Level.LOW},
        "site = 'site03' AND level = 'low'",
    ),
    "not scored": ({"level": Level.NOT_SCORED}, "level = 'not_scored'"),
    "open": ({"status": Status.OPEN}, "read_at IS NULL"),
    "open at a site": (
        {"status": Status.OPEN, "site": "site03"},
        "read_at IS NULL AND site = 'site03'",
    ),
    "unread": ({"status": Status.UNREAD}, "read_at IS NULL AND study_id NOT IN (SELECT study_id FROM claims WHERE until > now())"),
    "claimed": ({"status": Status.CLAIMED}, "study_id IN (SELECT study_id FROM claims WHERE until > now())"),
    "read": ({"status": Status.READ}, "read_at IS NOT NULL"),
    "aged": ({"status": Status.AGED}, "read_at IS NULL AND aged_at IS NOT NULL"),
    "release": ({"release": OLDER}, f"release = '{OLDER}'"),
    "release at a site": (
        {"release": ACTIVE, "site": "site03"},
        f"release = '{ACTIVE}' AND site = 'site03'",
    ),
    "missing views": ({"missing_views": True}, "incomplete"),
    "missing views, open": (
        {"missing_views": True, "status": Status.OPEN},
        "incomplete AND read_at IS NULL",
    ),
    "a day": ({"first": DAY, "last": DAY}, f"study_date = '{DAY}'"),
    "a fortnight at a site": (
        {"first": date(2024, 2, 20), "last": DAY, "site": "site03"},
        f"study_date BETWEEN '2024-02-20' AND '{DAY}' AND site = 'site03'",
    ),
    "some years": (
        {"first": date(2020, 2, 10), "last": date(2023, 2, 20)},
        "study_date BETWEEN '2020-02-10' AND '2023-02-20'",
    ),
    "some years, soon": (
        {"first": date(2020, 2, 10), "last": date(2023, 2, 20), "level": Level.SOON},
        "study_date BETWEEN '2020-02-10' AND '2023-02-20' AND level = 'soon'",
    ),
    "until": ({"last": date(2017, 1, 1)}, "study_date <= '2017-01-01'"),
    "from": ({"first": date(2025, 1, 1)}, "study_date >= '2025-01-01'"),
    "nothing": ({"first": date(2031, 1, 1), "last": date(2031, 2, 1)}, "false"),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(server: Engine, template: str, postgres_url: str) -> Iterator[Engine]:
    """20,000 studies of twenty sites, ten of them claimed."""
    name = "db_filled"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    engine = connect(in_database(postgres_url, name))
    fill(engine, STUDIES)
    with Session(engine) as session, session.begin():
        for number in range(10):
            reading.claim_next(session, f"reader {number}")
    yield engine
    engine.dispose()
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def asking(filled: Engine) -> Iterator[Session]:
    with Session(filled) as session:
        yield session


@contextmanager
def noted(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def plans(
    session: Session, engine: Engine, work: Callable[[], object], how: str = "COSTS"
) -> list[str]:
    """How Postgres goes about each statement of `work`."""
    with noted(engine) as seen:
        work()
    cursor = session.connection().connection.cursor()
    found = []
    for statement, parameters in seen:
        cursor.execute(f"EXPLAIN ({how}) {statement}", parameters)
        found.append("\n".join(line for (line,) in cursor.fetchall()))
    assert found
    return found


def scans(found: list[str]) -> list[str]:
    """The big tables that are read from end to end."""
    return [
        line.strip()
        for lines in found
        for line in lines.splitlines()
        for table in BIG
        if f"Seq Scan on {table} " in line
    ]


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_is_what_comes_in_order_and_page_by_page(
    asking: Session, name: str
) -> None:
    asked, condition = ASKED[name]
    asking.execute(text("SET LOCAL enable_indexscan = off"))
    expected = asking.scalars(
        text(f"SELECT study_uid FROM worklist WHERE {condition}"
             " ORDER BY priority, -probability, study_uid")
    ).all()  # fmt: skip
    asking.rollback()
    assert expected or name == "nothing"
    found: list[str] = []
    cursor = None
    for _ in range(3):
        page = worklist.page(asking, 30, after=cursor, **asked)
        found += [item.study_uid for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == expected[:90]
    assert (cursor is None) == (len(expected) <= 90)


@pytest.mark.parametrize("name", ASKED)
def test_no_page_reads_a_table_from_end_to_end(filled: Engine, asking: Session, name: str) -> None:
    asked, _ = ASKED[name]
    middle = worklist.page(asking, 60, **asked).next
    for after in {None, middle}:
        found = plans(
            asking, filled, lambda after=after: worklist.page(asking, 20, after=after, **asked)
        )
        assert scans(found) == []


def test_a_page_is_read_in_the_order_of_an_index_without_sorting(
    filled: Engine, asking: Session
) -> None:
    undated = [asked for asked, _ in ASKED.values() if not {"first", "last"} & set(asked)]
    for asked in undated:
        if asked.get("status") is Status.CLAIMED:
            continue  # ten rows, looked up by their keys
        lines = next(
            lines
            for lines in plans(asking, filled, lambda a=asked: worklist.page(asking, 20, **a))
            if "ix_worklist" in lines
        )
        assert "Sort" not in lines


@pytest.mark.parametrize("name", ["aged", "release", "missing views", "a day", "site", "read"])
def test_a_page_far_down_the_list_reads_past_nothing(
    filled: Engine, asking: Session, name: str
) -> None:
    """Where Postgres, told the place as one comparison of rows, takes the whole list's index."""
    place = asking.execute(
        text("SELECT priority, descent, study_uid FROM worklist"
             " ORDER BY priority DESC, descent DESC, study_uid DESC OFFSET 2000 LIMIT 1")
    ).one()  # fmt: skip
    after = worklist._Cursor(1, *place).text()
    asked, _ = ASKED[name]
    found = plans(
        asking, filled, lambda: worklist.page(asking, 20, after=after, **asked), "ANALYZE"
    )
    removed = re.findall(r"Rows Removed by Filter: (\d+)", found[0])
    assert sum(map(int, removed)) < 20


@pytest.mark.parametrize(
    "work",
    [
        lambda s: reading.claim_next(s, "somebody"),
        lambda s: reading.claim_next(s, "somebody", site="site03"),
        counts.states,
        lambda s: counts.states(s, "site03"),
        lambda s: counts.nights(s, "site03"),
        lambda s: history(s, s.scalars(text("SELECT study_uid FROM studies WHERE id = 7")).one()),
        lambda s: ranking.show(s, [7, 8, 9]),
        lambda s: ranking._age_page(s, 30),
    ],
    ids=["claim", "claim at a site", "counts", "site", "nights", "history", "show", "age"],
)
def test_nothing_else_that_a_reader_waits_for_does_either(
    filled: Engine, asking: Session, work: Callable[[Session], object]
) -> None:
    assert scans(plans(asking, filled, lambda: work(asking))) == []


def test_a_list_that_follows_a_release_reads_no_table_from_end_to_end(
    filled: Engine, asking: Session
) -> None:
    asking.execute(text("UPDATE sites SET release = :older WHERE name = 'site03'"),
                   {"older": OLDER})  # fmt: skip
    ranking.PAGE, page = 50, ranking.PAGE
    try:
        found = plans(asking, filled, lambda: ranking.rerank_page(asking))
    finally:
        ranking.PAGE = page
    assert scans(found) == []


@pytest.mark.parametrize(
    ("first", "last", "days", "months"),
    [
        ("2024-03-05", "2024-03-05", [("2024-03-05", "2024-03-05")], None),
        ("2024-03-05", "2024-05-06", [("2024-03-05", "2024-05-06")], None),
        ("2024-01-01", "2024-12-31", [], ("2024-01-01", "2024-12-01")),
        (
            "2024-01-31",
            "2024-05-30",
            [("2024-01-31", "2024-01-31"), ("2024-05-01", "2024-05-30")],
            ("2024-02-01", "2024-04-01"),
        ),
        ("0001-01-01", "9999-12-31", [], ("0001-01-01", "9999-12-01")),
        ("2024-03-05", "2024-03-04", [("2024-03-05", "2024-03-04")], None),
    ],
)
def test_a_period_is_its_days_or_its_whole_months_and_the_days_at_its_ends(
    first: str, last: str, days: list[tuple[str, str]], months: tuple[str, str] | None
) -> None:
    period = Period(date.fromisoformat(first), date.fromisoformat(last))
    assert [(str(a), str(b)) for a, b in period.days] == days
    assert [(str(a), str(b)) for a, b in period.months] == ([months] if months else [])
