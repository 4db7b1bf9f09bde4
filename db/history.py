"""All that was ever said of a study: results of every release, superseded ones too, and decisions."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.results import BreastScore
from db.schema import Decision, Release, Result, Study, WorklistRow
from mammo.codes import Level


@dataclass(frozen=True, slots=True)
class Said:
    """What a release said, and until when it did."""

    release: str  # digest
    release_name: str
    run: int
    level: Level
    score: int | None
    probability: float | None
    left: BreastScore | None
    right: BreastScore | None
    reason: str | None  # why there is no score
    missing_views: tuple[str, ...]
    warnings: tuple[str, ...]
    at: datetime
    superseded_at: datetime | None
    shown: bool  # in the worklist, now
    of_these_images: bool  # not of the study as it was before


@dataclass(frozen=True, slots=True)
class Decided:
    """What a reader decided; `corrected` by a later one."""

    id: int
    reader: str
    round: int
    left: str | None
    right: str | None
    comment: str
    score_seen: bool
    at: datetime
    corrected: bool
    of_these_images: bool


@dataclass(frozen=True, slots=True)
class History:
    """A study in the list, what was said of it, the newest first, and what was decided."""

    study_uid: str
    pseudonym: str
    site: str
    study_date: date | None
    fingerprint: str
    listed_at: datetime | None  # None: it holds no mammogram and is not in the list
    aged_at: datetime | None
    read_at: datetime | None
    said: tuple[Said, ...]
    decided: tuple[Decided, ...]


def history(session: Session, study_uid: str) -> History | None:
    """The history of a study; None: there is no such study."""
    found = session.execute(
        select(Study, WorklistRow)
        .outerjoin(WorklistRow, WorklistRow.study_id == Study.id)
        .where(Study.study_uid == study_uid)
    ).one_or_none()
    if found is None:
        return None
    study, row = found
    return History(
        study_uid=study.study_uid,
        pseudonym=study.pseudonym,
        site=study.site,
        study_date=study.study_date,
        fingerprint=study.fingerprint,
        listed_at=row and row.listed_at,
        aged_at=row and row.aged_at,
        read_at=row and row.read_at,
        said=_said(session, study, row and row.result_id),
        decided=_decided(session, study),
    )


def _said(session: Session, study: Study, shown: int | None) -> tuple[Said, ...]:
    results = session.execute(
        select(Result, Release.name)
        .join(Release, Release.digest == Result.release)
        .where(Result.study_id == study.id)
        .order_by(Result.id.desc())
    )
    return tuple(
        Said(
            release=result.release,
            release_name=name,
            run=result.run_id,
            level=Level(result.level),
            score=result.score,
            probability=result.probability,
            left=_breast(result.left_score, result.left_probability),
            right=_breast(result.right_score, result.right_probability),
            reason=result.reason,
            missing_views=tuple(result.missing_views),
            warnings=tuple(result.warnings),
            at=result.created_at,
            superseded_at=result.superseded_at,
            shown=result.id == shown,
            of_these_images=result.fingerprint == study.fingerprint,
        )
        for result, name in results
    )


def _breast(score: int | None, probability: float | None) -> BreastScore | None:
    return None if score is None or probability is None else BreastScore(score, probability)


def _decided(session: Session, study: Study) -> tuple[Decided, ...]:
    rows = session.scalars(
        select(Decision).where(Decision.study_id == study.id).order_by(Decision.id)
    ).all()
    corrected = {row.corrects for row in rows}
    return tuple(
        Decided(
            id=row.id,
            reader=row.reader,
            round=row.round,
            left=row.left_call,
            right=row.right_call,
            comment=row.comment,
            score_seen=row.score_seen,
            at=row.at,
            corrected=row.id in corrected,
            of_these_images=row.fingerprint == study.fingerprint,
        )
        for row in rows
    )
