"""What of the worklist is asked for, and a statement that reads it from an index in order.

Each single filter has an index in the list's order; a second one is applied to the rows that
this gives. A period is read as its days, and a long one as its whole months and the days at its
ends: each has the order of the list in an index, and only so many are merged.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Select,
    and_,
    cast,
    exists,
    func,
    literal,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from db.schema import Claim, WorklistRow
from mammo.codes import Level, Status

LONG = timedelta(days=62)  # a longer period is read by months

# The distinct values of a column within bounds, one step in the index each.
DAYS = text(
    """
    WITH RECURSIVE found (day) AS (
        SELECT min(study_date) FROM worklist WHERE study_date >= :first AND study_date <= :last
        UNION ALL
        SELECT (
            SELECT min(study_date) FROM worklist
            WHERE study_date > found.day AND study_date <= :last
        ) FROM found WHERE found.day IS NOT NULL
    )
    SELECT day FROM found WHERE day IS NOT NULL
    """
)
MONTHS = text(
    """
    WITH RECURSIVE found (day) AS (
        SELECT min(study_month) FROM worklist WHERE study_month >= :first AND study_month <= :last
        UNION ALL
        SELECT (
            SELECT min(study_month) FROM worklist
            WHERE study_month > found.day AND study_month <= :last
        ) FROM found WHERE found.day IS NOT NULL
    )
    SELECT day FROM found WHERE day IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; None: all."""

    level: Level | None = None
    site: str | None = None
    status: Status | None = None
    first: date | None = None  # of the study's date
    last: date | None = None
    release: str | None = None  # digest, of the result that is shown
    missing_views: bool = False  # only what was scored without all of its views

    @property
    def dated(self) -> bool:
        return self.first is not None or self.last is not None


class Period:
    """The days and months that a period is made of."""

    def __init__(self, first: date, last: date) -> None:
        self.days: list[tuple[date, date]] = []
        self.months: tuple[date, date] | None = None  # their first days
        if last - first <= LONG:
            self.days.append((first, last))
            return
        begin = first if first.day == 1 else _after(_month_end(first))
        end = last if last == _month_end(last) else last.replace(day=1) - timedelta(days=1)
        if first < begin:
            self.days.append((first, begin - timedelta(days=1)))
        if end < last:
            self.days.append((_after(end), last))
        self.months = (begin, end.replace(day=1))


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _after(day: date) -> date:
    return day + timedelta(days=1)


def claimed(row: type[WorklistRow]) -> ColumnElement[bool]:
    return exists().where(Claim.study_id == row.study_id, Claim.until > func.now())


def in_order(row: type[WorklistRow]) -> tuple[InstrumentedAttribute[Any], ...]:
    """The list's order."""
    return (row.priority, row.descent, row.study_uid)


def statement(
    session: Session, asked: Filter, after: Sequence[Any] | None, limit: int
) -> Select[tuple[WorklistRow]]:
    """Up to `limit` rows behind `after` (priority, descent, study UID), in the list's order."""
    if not asked.dated:
        return _ordered(WorklistRow, _conditions(WorklistRow, asked, after), limit)
    period = Period(asked.first or date.min, asked.last or date.max)
    parts = [
        _piece(column, list(session.scalars(values, {"first": first, "last": last})), asked, after,
               limit)
        for column, values, spans in (
            ("study_date", DAYS, period.days),
            ("study_month", MONTHS, [period.months] if period.months else []),
        )
        for first, last in spans
    ]  # fmt: skip
    keys = union_all(*parts).subquery()
    first = (
        select(keys.c.study_id)
        .order_by(keys.c.priority, keys.c.descent, keys.c.study_uid)
        .limit(limit)
    )
    # As an array: whatever the planner thinks of how many there are, each is looked up by its key.
    return (
        select(WorklistRow)
        .where(WorklistRow.study_id == func.any(func.array(first.scalar_subquery())))
        .order_by(*in_order(WorklistRow))
    )


def _piece(
    column: str, values: list[date], asked: Filter, after: Sequence[Any] | None, limit: int
) -> Select[Any]:
    """The first rows of each of `values`."""
    of = (
        func.unnest(cast(literal(values, ARRAY(Date)), ARRAY(Date)))
        .table_valued("value")
        .render_derived()
    )
    row = aliased(WorklistRow)
    of_one = (
        select(row.study_id, *in_order(row))
        .where(getattr(row, column) == of.c.value, *_conditions(row, asked, after))
        .order_by(*in_order(row))
        .limit(limit)
        .lateral()
    )
    return select(of_one).select_from(of.join(of_one, literal(True)))  # noqa: FBT003 -- SQL's


def _ordered(
    row: type[WorklistRow], conditions: list[ColumnElement[bool]], limit: int
) -> Select[tuple[WorklistRow]]:
    return select(row).where(*conditions).order_by(*in_order(row)).limit(limit)


def _conditions(
    row: type[WorklistRow], asked: Filter, after: Sequence[Any] | None
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if after is not None:
        found.append(tuple_(*in_order(row)) > tuple_(*map(literal, after)))
    if asked.level is not None:
        found.append(row.priority == list(Level).index(asked.level))
    if asked.site is not None:
        found.append(row.site == asked.site)
    if asked.release is not None:
        found.append(row.release == asked.release)
    if asked.missing_views:
        found.append(and_(row.incomplete))
    if asked.status is not None:
        found.append(_status(row, asked.status))
    return found


def _status(row: type[WorklistRow], status: Status) -> ColumnElement[bool]:
    match status:
        case Status.OPEN:
            return row.read_at.is_(None)
        case Status.READ:
            return row.read_at.is_not(None)
        case Status.AGED:
            return and_(row.aged_at.is_not(None), row.read_at.is_(None))
        case Status.UNREAD:
            return and_(row.read_at.is_(None), ~claimed(row))
        case Status.CLAIMED:
            # Few at any time: looked up one by one.
            now = select(Claim.study_id).where(Claim.until > func.now())
            return row.study_id == func.any(func.array(now.scalar_subquery()))
