"""What a release says of a study, written in one transaction."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import schema
from db.ranking import show
from db.studies import refresh
from db.text import storable, storable_json
from mammo.codes import Kind, Level, NotScored, Reason, Verdict
from mammo.views import Laterality

# These bring a study nearer to POISON; a service that fails says nothing against it.
COUNTED = frozenset({NotScored.TIMED_OUT, NotScored.WORKER_DIED})
NOT_TAKEN = (Reason.DUPLICATE_INSTANCE.value, Reason.UID_CONFLICT.value)


@dataclass(frozen=True, slots=True)
class BreastScore:
    """What is said of one breast."""

    score: int  # 1 to 10
    probability: float  # of malignancy, calibrated


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A finding in one of the instances that were used."""

    sop_instance_uid: str
    laterality: Laterality
    view: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1, native pixels
    kind: Kind
    probability: float
    score: int  # 1 to 10
    location: str


@dataclass(frozen=True, slots=True)
class UsedInstance:
    """An instance that was inferred, and the SHA-256 (hex) of its file."""

    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PixelVerdict:
    """What reading a planned instance (`id`), or a copy of one, changed or confirmed."""

    instance_id: int
    verdict: Verdict
    reason: Reason
    detail: str
    flags: tuple[str, ...]  # all of them, the header's too
    sha256: str | None = None  # hex, of the whole file; None: it was not read


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What one release says of one study: a score of a breast at least, or why there is none.

    `study_id` and `fingerprint` are those of the `PlannedStudy`. `findings` lie in instances
    of `used`.
    """

    study_id: int
    fingerprint: str
    level: Level
    score: int | None = None  # 1 to 10
    probability: float | None = None
    reason: NotScored | None = None
    left: BreastScore | None = None
    right: BreastScore | None = None
    missing_views: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[FoundBox, ...] = ()
    used: tuple[UsedInstance, ...] = ()
    verdicts: tuple[PixelVerdict, ...] = ()
    preparation: dict[str, Any] | None = None

    def digest(self) -> str:
        """SHA-256 (hex) of everything that it says."""
        said = json.dumps(storable_json(asdict(self)), sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()


def record(session: Session, run: int, result: StudyResult) -> int | None:
    """Make `result` the current one of its study and the run's release; returns its id.

    None: the study was erased meanwhile, and nothing is said of it.

    The one before is kept as superseded, the instances get their verdicts, and the study its
    place in the worklist (`db.ranking`). Recording the same again, by the same run, changes nothing.
    """
    release, code_version = session.execute(
        select(schema.Run.release, schema.Run.code_version).where(schema.Run.id == run)
    ).one()
    held = session.execute(  # one writer a study at a time
        select(schema.Study.id)
        .where(schema.Study.id == result.study_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if held is None:
        return None
    current = (
        schema.Result.study_id == result.study_id,
        schema.Result.release == release,
        schema.Result.superseded_at.is_(None),
    )
    digest = result.digest()
    same = session.scalars(
        select(schema.Result.id).where(
            *current, schema.Result.run_id == run, schema.Result.content_digest == digest
        )
    ).one_or_none()
    if same is not None:
        return same
    session.execute(
        update(schema.Result)
        .where(*current)
        .values(superseded_at=text("now()"))
        .execution_options(synchronize_session=False)
    )
    written = session.scalars(
        insert(schema.Result).returning(schema.Result.id),
        [_row(result) | {"release": release, "run_id": run, "code_version": code_version}],
    ).one()
    _write_parts(session, written, result)
    for verdict in result.verdicts:
        _judge(session, result.study_id, verdict)
    if result.reason is NotScored.CONFLICTING_INSTANCES:
        refresh(session, {result.study_id})
    if result.reason not in COUNTED:
        session.execute(
            delete(schema.Attempt)
            .where(schema.Attempt.study_id == result.study_id, schema.Attempt.release == release)
            .execution_options(synchronize_session=False)
        )
    show(session, [result.study_id])
    return written


def _judge(session: Session, study: int, verdict: PixelVerdict) -> None:
    instance = (schema.Instance.id == verdict.instance_id, schema.Instance.study_id == study)
    if verdict.sha256 is not None:
        session.execute(
            update(schema.Instance)
            .where(*instance)
            .values(sha256=verdict.sha256)
            .execution_options(synchronize_session=False)
        )
    conditions = [
        *instance,
        # Another object of the same instance is taken instead, or contradicts it.
        schema.Instance.reason.not_in(NOT_TAKEN),
    ]
    if verdict.verdict is Verdict.ACCEPTED:  # by rules that may have changed meanwhile
        conditions.append(schema.Instance.header_verdict == Verdict.ACCEPTED.value)
    session.execute(
        update(schema.Instance)
        .where(*conditions)
        .values(
            verdict=verdict.verdict.value,
            reason=verdict.reason.value,
            detail=storable(verdict.detail),
            flags=[str(flag) for flag in verdict.flags],
        )
        .execution_options(synchronize_session=False)
    )


def _row(result: StudyResult) -> dict[str, Any]:
    return {
        "study_id": result.study_id,
        "fingerprint": result.fingerprint,
        "content_digest": result.digest(),
        "level": result.level.value,
        "score": result.score,
        "probability": result.probability,
        "reason": result.reason and result.reason.value,
        "left_score": result.left and result.left.score,
        "left_probability": result.left and result.left.probability,
        "right_score": result.right and result.right.score,
        "right_probability": result.right and result.right.probability,
        "missing_views": list(result.missing_views),
        "warnings": list(result.warnings),
        "preparation": storable_json(result.preparation or {}),
    }


def _write_parts(session: Session, written: int, result: StudyResult) -> None:
    if result.used:
        session.execute(
            insert(schema.ResultInstance),
            [
                {
                    "result_id": written,
                    "sop_instance_uid": used.sop_instance_uid,
                    "sha256": used.sha256,
                }
                for used in result.used
            ],
        )
    if result.findings:
        session.execute(
            insert(schema.Finding),
            [
                {
                    "result_id": written,
                    "ordinal": ordinal,
                    "sop_instance_uid": finding.sop_instance_uid,
                    "laterality": finding.laterality.value,
                    "view": finding.view,
                    **dict(zip(("x0", "y0", "x1", "y1"), finding.box, strict=True)),
                    "kind": finding.kind.value,
                    "probability": finding.probability,
                    "score": finding.score,
                    "location": finding.location,
                }
                for ordinal, finding in enumerate(result.findings)
            ],
        )
