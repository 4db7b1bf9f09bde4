"""What of the worklist is asked for, and a statement that reads it from an index in order.

Each single filter has an index in the list's order; a second one is applied to the rows that
this gives. A period is read as its days, and a long one as its whole months and the days at its
ends: each has the order of the list in an index, and only so many are merged.

What lies behind a place is asked for in parts: the studies that are only after it by their UID, the
rest of its level, and the levels after it. Of `(priority, descent, study_uid) > (...)` Postgres
estimates the levels after it alone; it then takes any index for the least work, and reads past
all that a filter leaves out.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    Select,
    TextClause,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from db.schema import Claim, WorklistRow
from mammo.codes import Level, Status

Selected = TypeVar("Selected", bound=tuple[Any, ...])

LONG = timedelta(days=62)  # a longer period is read by months

FEW_MONTHS = 120  # that are looked up whether there is one or not

# All days or months within bounds. To ask the index for those that there are costs a step in it
# each, as much as finding that there is nothing.
DAYS = text(
    """
    SELECT CAST(day AS date) AS day FROM generate_series(
        CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 day'
    ) AS day
    """
)
MONTHS = text(
    """
    SELECT CAST(day AS date) AS day FROM generate_series(
        CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 month'
    ) AS day
    """
)
# Of a period without end, or of centuries: dates of a machine's lost clock lie far away.
MONTHS_THERE = text(
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


class Place(NamedTuple):
    """Where a row stands in the list."""

    priority: int
    descent: float
    study_uid: str


class Period:
    """The days and months that a period is made of."""

    def __init__(self, first: date, last: date) -> None:
        self.days: list[tuple[date, date]] = []
        self.months: list[tuple[date, date]] = []  # their first days
        if last - first <= LONG:
            self.days.append((first, last))
            return
        begin = first if first.day == 1 else _after(_month_end(first))
        end = last if last == _month_end(last) else last.replace(day=1) - timedelta(days=1)
        if first < begin:
            self.days.append((first, begin - timedelta(days=1)))
        if end < last:
            self.days.append((_after(end), last))
        self.months.append((begin, end.replace(day=1)))


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _after(day: date) -> date:
    return day + timedelta(days=1)


def claimed(row: type[WorklistRow]) -> ColumnElement[bool]:
    return exists().where(Claim.study_id == row.study_id, Claim.until > func.now())


def in_order(row: type[WorklistRow]) -> tuple[InstrumentedAttribute[Any], ...]:
    """The list's order."""
    return (row.priority, row.descent, row.study_uid)


def statement(asked: Filter, after: Place | None, limit: int) -> Select[tuple[WorklistRow]]:
    """Up to `limit` rows behind `after`, in the list's order."""
    if not asked.dated:
        parts = _parts(
            WorklistRow,
            _conditions(WorklistRow, asked),
            after,
            levels=asked.level is None,
        )
        if len(parts) == 1:
            return _ordered(select(WorklistRow).where(*parts[0]), WorklistRow, limit)
        both = union_all(
            *(_ordered(select(WorklistRow).where(*part), WorklistRow, limit) for part in parts)
        )
        row = aliased(WorklistRow, both.subquery())
        return _ordered(select(row), row, limit)
    period = Period(asked.first or date.min, asked.last or date.max)
    pieces = [
        *(_piece("study_date", DAYS, span, asked, after, limit) for span in period.days),
        *(
            _piece("study_month", _months(span), span, asked, after, limit)
            for span in period.months
        ),
    ]
    keys = union_all(*pieces).subquery()
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


def _months(span: tuple[date, date]) -> TextClause:
    few = span[1] - span[0] <= timedelta(days=31 * FEW_MONTHS)
    return MONTHS if few else MONTHS_THERE


def _piece(
    column: str,
    values: TextClause,
    span: tuple[date, date],
    asked: Filter,
    after: Place | None,
    limit: int,
) -> Select[Any]:
    """The first rows of each day or month within a span."""
    first, last = span
    bounds: tuple[BindParameter[date], ...] = (
        bindparam("first", first, unique=True),
        bindparam("last", last, unique=True),
    )
    of = values.bindparams(*bounds).columns(day=Date()).subquery()
    row = aliased(WorklistRow)
    day: ColumnElement[date] = getattr(row, column)
    conditions = [day == of.c.day, *_conditions(row, asked)]
    if after is not None:  # with the day in it, no other index can be taken for this
        conditions.append(tuple_(day, *in_order(row)) > tuple_(of.c.day, *map(literal, after)))
    of_one = _ordered(select(row.study_id, *in_order(row)).where(*conditions), row, limit).lateral()
    return select(of_one).select_from(of.join(of_one, true()))


def _ordered(rows: Select[Selected], row: type[WorklistRow], limit: int) -> Select[Selected]:
    return rows.order_by(*in_order(row)).limit(limit)


def _parts(
    row: type[WorklistRow],
    conditions: list[ColumnElement[bool]],
    after: Place | None,
    *,
    levels: bool,
) -> list[list[ColumnElement[bool]]]:
    """All that fulfils the conditions, or what of it lies behind a place.

    `levels`: it has more than one.
    """
    if after is None:
        return [conditions]
    level = [*conditions, row.priority == after.priority]
    descent, uid = literal(after.descent), literal(after.study_uid)
    found = [[*level, row.descent == descent, row.study_uid > uid], [*level, row.descent > descent]]
    return [*found, [*conditions, row.priority > after.priority]] if levels else found


def _conditions(row: type[WorklistRow], asked: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
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
