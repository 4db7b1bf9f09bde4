"""The other studies of a patient, and what was said and decided of them."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from mammo.codes import Level

MOST = 20  # studies: a lifetime of screening
PRIORS = text(
    """
    SELECT o.study_uid, o.study_date, w.level, r.score, w.read_at IS NOT NULL AS read,
        d.left_call, d.right_call
    FROM studies s
    JOIN studies o ON o.patient_pseudonym = s.patient_pseudonym AND o.id <> s.id
    JOIN worklist w ON w.study_id = o.id
    LEFT JOIN results r ON r.id = w.result_id
    LEFT JOIN LATERAL (
        SELECT left_call, right_call FROM decisions
        WHERE study_id = o.id AND w.read_at IS NOT NULL ORDER BY id DESC LIMIT 1
    ) d ON true
    WHERE s.study_uid = :uid
    ORDER BY o.study_date DESC NULLS LAST, o.study_uid LIMIT :most
    """
)


class Prior(NamedTuple):
    """Another study of the same patient; its decision only once it is read."""

    study_uid: str
    study_date: date | None
    level: Level
    score: int | None
    read: bool
    left: str | None
    right: str | None


def priors(session: Session, study_uid: str) -> list[Prior]:
    """The newest first. Patients are the same where their pseudonyms are."""
    rows = session.execute(PRIORS, {"uid": study_uid, "most": MOST})
    return [
        Prior(
            row.study_uid,
            row.study_date,
            Level(row.level),
            row.score,
            row.read,
            row.left_call,
            row.right_call,
        )
        for row in rows
    ]
