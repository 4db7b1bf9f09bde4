"""The ranked worklist, a page at a time.

The order is that of an index: level (urgent, not_scored, soon, routine, low), then
probability descending, then study UID. A page costs what it shows, not what lies before it.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from db.results import BreastScore
from db.schema import Finding, Instance, Result, Study, WorklistRow
from mammo.codes import Level

PENDING = "PENDING"  # warning: this study has not been screened yet
LATE_IMAGE = "LATE_IMAGE"  # warning: shown is a result from before the study changed


class InvalidCursor(ValueError):  # noqa: N818 -- says what it is
    """`after` is not a cursor that a page gave as its `next`."""


@dataclass(frozen=True, slots=True)
class ListedFinding:
    """A box in native pixels of the stored image, x1 and y1 exclusive."""

    laterality: str
    view: str
    sop_instance_uid: str
    box: tuple[float, float, float, float]
    kind: str
    probability: float
    score: int
    location: str


class Exclusion(NamedTuple):
    """An instance of the study that was not used."""

    sop_instance_uid: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """A study in the list. Without score, `warnings` begins with the reason (or `PENDING`)."""

    study_uid: str
    pseudonym: str
    rank: int  # 1 is first of what was asked for
    level: Level
    score: int | None
    probability: float | None
    breasts: dict[str, BreastScore]  # by laterality, those that were scored
    findings: tuple[ListedFinding, ...]
    missing_views: tuple[str, ...]
    warnings: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    release: str | None  # None: not screened yet
    study_date: date | None
    site: str


@dataclass(frozen=True, slots=True)
class WorklistPage:
    items: tuple[WorklistItem, ...]
    counts: dict[Level, int]
    next: str | None  # cursor of the following page


class _Place(NamedTuple):
    """The last row of a page: where the next one begins."""

    rank: int
    priority: int
    descent: float
    study_uid: str

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "_Place":
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            rank, priority, descent, uid = json.loads(base64.urlsafe_b64decode(padded))
            if not isinstance(uid, str):
                raise InvalidCursor
            return cls(int(rank), int(priority), float(descent), uid)
        except (binascii.Error, UnicodeError, TypeError, ValueError) as error:
            raise InvalidCursor from error


def counts(session: Session, site: str | None = None) -> dict[Level, int]:
    """How many studies stand in each level."""
    query = select(WorklistRow.level, func.count().label("number")).group_by(WorklistRow.level)
    if site is not None:
        query = query.where(WorklistRow.site == site)
    found = {row.level: row.number for row in session.execute(query)}
    return {level: found.get(level.value, 0) for level in Level}


def page(
    session: Session,
    limit: int,
    level: Level | None = None,
    site: str | None = None,
    after: str | None = None,
) -> WorklistPage:
    """Up to `limit` studies behind the cursor `after`, of one level or site if given.

    `counts` are those of the site, of all levels. Raises `InvalidCursor`.
    """
    begin = _Place(0, -1, 0.0, "") if after is None else _Place.of(after)
    order = (WorklistRow.priority, WorklistRow.descent, WorklistRow.study_uid)
    query = select(WorklistRow).order_by(*order).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*map(literal, begin[1:])))
    if level is not None:
        query = query.where(WorklistRow.priority == list(Level).index(level))
    if site is not None:
        query = query.where(WorklistRow.site == site)
    rows = session.scalars(query).all()
    shown = rows[:limit]
    last = (
        _Place(begin.rank + limit, shown[-1].priority, shown[-1].descent, shown[-1].study_uid)
        if len(rows) > limit
        else None
    )
    return WorklistPage(
        tuple(_items(session, shown, begin.rank)),
        counts(session, site),
        last.cursor() if last else None,
    )


def _items(session: Session, rows: Sequence[WorklistRow], before: int) -> list[WorklistItem]:
    studies = {
        study.id: study
        for study in session.scalars(
            select(Study).where(Study.id.in_([row.study_id for row in rows]))
        )
    }
    shown = [row.result_id for row in rows if row.result_id is not None]
    results = {
        result.id: result for result in session.scalars(select(Result).where(Result.id.in_(shown)))
    }
    findings: dict[int, list[ListedFinding]] = {}
    for finding in session.scalars(
        select(Finding)
        .where(Finding.result_id.in_(shown))
        .order_by(Finding.result_id, Finding.ordinal)
    ):
        findings.setdefault(finding.result_id, []).append(listed(finding))
    exclusions: dict[int, list[Exclusion]] = {}
    for study_id, uid, reason in session.execute(
        select(Instance.study_id, Instance.sop_instance_uid, Instance.reason)
        .where(Instance.study_id.in_(studies), Instance.verdict != "accepted")
        .order_by(Instance.sop_instance_uid, Instance.id)
    ):
        exclusions.setdefault(study_id, []).append(Exclusion(uid, reason))
    return [
        _item(
            rank,
            row,
            study=studies[row.study_id],
            result=results[row.result_id] if row.result_id is not None else None,
            findings=tuple(findings.get(row.result_id or 0, ())),
            exclusions=tuple(exclusions.get(row.study_id, ())),
        )
        for rank, row in enumerate(rows, before + 1)
    ]


def _item(
    rank: int,
    row: WorklistRow,
    *,
    study: Study,
    result: Result | None,
    findings: tuple[ListedFinding, ...],
    exclusions: tuple[Exclusion, ...],
) -> WorklistItem:
    return WorklistItem(
        study_uid=row.study_uid,
        pseudonym=study.pseudonym,
        rank=rank,
        level=Level(row.level),
        score=result.score if result else None,
        probability=row.probability,
        breasts=breasts_of(result) if result else {},
        findings=findings,
        missing_views=tuple(result.missing_views) if result else (),
        warnings=_warnings(study, result),
        exclusions=exclusions,
        release=result.release if result else None,
        study_date=study.study_date,
        site=row.site,
    )


def _warnings(study: Study, result: Result | None) -> tuple[str, ...]:
    if result is None:
        return (PENDING,)
    late = [LATE_IMAGE] if result.fingerprint != study.fingerprint else []
    return (*([result.reason] if result.reason else []), *late, *result.warnings)


def breasts_of(result: Result) -> dict[str, BreastScore]:
    """Those that were scored, by laterality."""
    sides: dict[str, tuple[Any, Any]] = {
        "L": (result.left_score, result.left_probability),
        "R": (result.right_score, result.right_probability),
    }
    return {side: BreastScore(*said) for side, said in sides.items() if said[0] is not None}


def listed(finding: Finding) -> ListedFinding:
    """A row of the table as the list shows it."""
    return ListedFinding(
        laterality=finding.laterality,
        view=finding.view,
        sop_instance_uid=finding.sop_instance_uid,
        box=(finding.x0, finding.y0, finding.x1, finding.y1),
        kind=finding.kind,
        probability=finding.probability,
        score=finding.score,
        location=finding.location,
    )
