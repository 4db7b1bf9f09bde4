"""The ranked worklist, a page at a time.

The order is that of an index: level (urgent, not_scored, soon, routine, low), then
probability descending, then study UID. A page costs what it shows, not what lies before it.
A row shows what `db.ranking` decided, and this module marks what is odd about it.
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from db.counts import states
from db.filters import Filter, Place, statement
from db.results import BreastScore
from db.schema import Claim, Finding, Instance, Result, Study, WorklistRow
from db.sites import DEFAULT
from db.text import storable
from mammo.codes import Level, Status

# Warnings.
PENDING = "PENDING"  # this study has not been screened yet
LATE_IMAGE = "LATE_IMAGE"  # shown is a result from before the study changed
OTHER_RELEASE = "OTHER_RELEASE"  # shown is another release's than the one that ranks at its site
UNKNOWN_SITE = "UNKNOWN_SITE"  # no site claims the study where there are some, or its own is gone

# A site without an active release is ranked by what was recorded last: by that of the last run.
SITES = text(
    """
    SELECT name, coalesce(release, (SELECT release FROM runs ORDER BY id DESC LIMIT 1)) AS ranks
    FROM sites
    """
)


MOST = 1 << 53  # rows before a page: JSON's whole numbers end there


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
    status: Status  # unread, claimed or read
    claimed_by: str | None
    aged: bool  # was not read for too long
    fingerprint: str  # of the study as it is shown; goes back with a decision


@dataclass(frozen=True, slots=True)
class WorklistPage:
    items: tuple[WorklistItem, ...]
    counts: dict[Level, int]
    next: str | None  # cursor of the following page


class _Cursor(NamedTuple):
    """The last row of a page: where the next one begins."""

    rank: int
    priority: int
    descent: float
    study_uid: str

    def text(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "_Cursor":
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            rank, priority, descent, uid = json.loads(base64.urlsafe_b64decode(padded))
            found = cls(int(rank), int(priority), float(descent), uid)
        except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
            raise InvalidCursor from error
        whole = 0 <= found.rank < MOST and 0 <= found.priority < len(Level)
        if not (
            isinstance(uid, str) and whole and math.isfinite(found.descent) and storable(uid) == uid
        ):
            raise InvalidCursor
        return found


def item(session: Session, study_uid: str) -> WorklistItem | None:
    """One study as the list shows it, with rank 1; None: it is not in the list."""
    study = select(Study.id).where(Study.study_uid == study_uid).scalar_subquery()
    rows = session.scalars(select(WorklistRow).where(WorklistRow.study_id == study)).all()
    return next(iter(_items(session, rows, 0)), None)


def counts(session: Session, site: str | None = None) -> dict[Level, int]:
    """How many studies stand in each level, read ones too."""
    return {level: state.listed for level, state in states(session, site).items()}


def page(
    session: Session,
    limit: int,
    level: Level | None = None,
    site: str | None = None,
    after: str | None = None,
    *,
    status: Status | None = None,
    first: date | None = None,
    last: date | None = None,
    release: str | None = None,
    missing_views: bool = False,
) -> WorklistPage:
    """Up to `limit` studies behind the cursor `after`, of those that `db.filters.Filter` asks for.

    `counts` are those of the site, of all levels. Raises `InvalidCursor`.
    """
    begin = None if after is None else _Cursor.of(after)
    before = begin.rank if begin else 0
    asked = Filter(level, site, status, first, last, release, missing_views)
    behind = begin and Place(*begin[1:])
    rows = session.scalars(statement(asked, behind, limit + 1)).all()
    shown = rows[:limit]
    following = (
        _Cursor(before + limit, shown[-1].priority, shown[-1].descent, shown[-1].study_uid)
        if len(rows) > limit
        else None
    )
    return WorklistPage(
        tuple(_items(session, shown, before)),
        counts(session, site),
        following.text() if following else None,
    )


def _items(session: Session, rows: Sequence[WorklistRow], before: int) -> list[WorklistItem]:
    if not rows:
        return []
    ids = [row.study_id for row in rows]
    shown = [row.result_id for row in rows if row.result_id is not None]
    live = and_(Claim.study_id == Study.id, Claim.until > func.now())
    said = and_(Result.study_id == Study.id, Result.id.in_(shown))
    studies = {
        study.id: (study, claimed_by, result)
        for study, claimed_by, result in session.execute(
            select(Study, Claim.reader, Result)
            .outerjoin(Claim, live)
            .outerjoin(Result, said)
            .where(Study.id.in_(ids))
        )
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
        .where(Instance.study_id.in_(ids), Instance.verdict != "accepted")
        .order_by(Instance.sop_instance_uid, Instance.id)
    ):
        exclusions.setdefault(study_id, []).append(Exclusion(uid, reason))
    ranks = {row.name: row.ranks for row in session.execute(SITES)}
    return [
        _item(
            rank,
            row,
            *studies[row.study_id],
            ranks=ranks,
            findings=tuple(findings.get(row.result_id or 0, ())),
            exclusions=tuple(exclusions.get(row.study_id, ())),
        )
        for rank, row in enumerate(rows, before + 1)
    ]


def _item(
    rank: int,
    row: WorklistRow,
    study: Study,
    claimed_by: str | None,
    result: Result | None,
    *,
    ranks: dict[str, str | None],
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
        warnings=_warnings(row, study, result, ranks),
        exclusions=exclusions,
        release=result.release if result else None,
        study_date=study.study_date,
        site=row.site,
        status=_status(row, claimed_by),
        claimed_by=None if row.read_at else claimed_by,
        aged=row.aged_at is not None and row.read_at is None,
        fingerprint=study.fingerprint,
    )


def _status(row: WorklistRow, claimed_by: str | None) -> Status:
    if row.read_at is not None:
        return Status.READ
    return Status.UNREAD if claimed_by is None else Status.CLAIMED


def _warnings(
    row: WorklistRow, study: Study, result: Result | None, ranks: dict[str, str | None]
) -> tuple[str, ...]:
    """The reason why there is no score first, then what is odd about the row."""
    unclaimed = row.site not in ranks or (row.site == DEFAULT and len(ranks) > 1)
    unknown = [UNKNOWN_SITE] if unclaimed else []
    if result is None:
        return (PENDING, *unknown)
    ranking = ranks.get(row.site)
    marks = [
        *([result.reason] if result.reason else []),
        *([OTHER_RELEASE] if ranking is not None and result.release != ranking else []),
        *([LATE_IMAGE] if result.fingerprint != study.fingerprint else []),
        *unknown,
    ]
    return (*marks, *result.warnings)


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
