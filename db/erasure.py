"""Erasing a study: all that is known of it goes in one transaction, and a keyed stub stays.

What lies outside the database (previews, exports) goes before; what was sent to a PACS is a person's
to remove. Safe to do again: what was erased is not there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db import audit
from db.erased import folders, hide, hide_beside
from db.lock import hold_if_dead
from db.schema import Export, Patient, Study
from db.studies import SHARING, refresh
from mammo.codes import NotScored, Reason
from mammo.pseudonym import Pseudonyms

# Alone against whoever writes what objects hold (`db.erased.SHARE`).
ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('erasure', 0))")
STUDY = text("SELECT id, patient_pseudonym FROM studies WHERE pseudonym = :study FOR UPDATE")
IN_FLIGHT = text(
    """
    SELECT runs.bucket, runs.prefix, runs.release, runs.who, runs.started_at
    FROM attempts a JOIN runs ON runs.id = a.run_id
    WHERE a.study_id = :study AND runs.state = 'running' AND NOT EXISTS (
        SELECT FROM results r WHERE r.study_id = a.study_id AND r.run_id = runs.id
    )
    """
)
STUB = text("INSERT INTO erased (pseudonym) VALUES (:pseudonym) ON CONFLICT DO NOTHING")
HAS_STUB = text("SELECT EXISTS (SELECT FROM erased WHERE pseudonym = :pseudonym)")

HELD = text(
    """
    SELECT DISTINCT object_id, patient_pseudonym FROM instances WHERE study_id = :study
    """
)
# In this order: what refers to a row goes before it. The stub lets the decisions go.
ROWS = {
    "claims": text("DELETE FROM claims WHERE study_id = :study"),
    "decisions": text("DELETE FROM decisions WHERE study_id = :study"),
    "worklist": text("DELETE FROM worklist WHERE study_id = :study"),
    "findings": text(
        "DELETE FROM findings f USING results r WHERE r.id = f.result_id AND r.study_id = :study"
    ),
    "result_instances": text(
        "DELETE FROM result_instances u USING results r"
        " WHERE r.id = u.result_id AND r.study_id = :study"
    ),
    "results": text("DELETE FROM results WHERE study_id = :study"),
    "attempts": text("DELETE FROM attempts WHERE study_id = :study"),
    "outcomes": text("DELETE FROM outcomes WHERE study_id = :study"),
    "exports": text("DELETE FROM exports WHERE study_id = :study"),
    "looks": text(
        "DELETE FROM looks l USING instances i WHERE i.id = l.instance_id AND i.study_id = :study"
    ),
    # The object is still there, and is accounted for.
    "instances": text(
        """
        UPDATE instances SET
            member = NULL, member_method = NULL, member_offset = NULL, member_length = NULL,
            member_size = NULL, member_crc32 = NULL, study_id = NULL, sop_instance_uid = NULL,
            series_uid = NULL, patient_pseudonym = NULL, birth_trait = NULL, sex_trait = NULL,
            modality = NULL, sop_class = NULL, transfer_syntax = NULL, is_mammography = false,
            laterality = NULL, view = NULL, study_date = NULL, sha256 = NULL, flags = '{}',
            facts = '{}', kind = :reason,
            header_verdict = :verdict, header_reason = :reason, header_detail = :line,
            verdict = :verdict, reason = :reason, detail = :line
        WHERE study_id = :study
        """
    ),
    "studies": text("DELETE FROM studies WHERE id = :study"),
}
ERASED = {
    "verdict": Reason.ERASED.verdict.value,
    "reason": Reason.ERASED.value,
    "line": Reason.ERASED.line,
}
# Of those that no other study is of.
PATIENTS = text(
    """
    DELETE FROM identity.patients p WHERE p.pseudonym = ANY(:patients)
        AND NOT EXISTS (SELECT FROM studies s WHERE s.patient_pseudonym = p.pseudonym)
        AND NOT EXISTS (
            SELECT FROM studies s JOIN instances i ON i.study_id = s.id
            WHERE s.unscorable = :mixed AND i.patient_pseudonym = p.pseudonym
        )
    """
)
SAME_NUMBER = text(
    "SELECT count(*) FROM identity.patients"
    " WHERE upper(btrim(patient_id)) = :number AND pseudonym <> :patient"
)
OF_PATIENT = text(
    """
    SELECT s.pseudonym, coalesce(s.unscorable = :mixed, false) AS mixed FROM studies s
    WHERE s.patient_pseudonym = :patient OR (
        s.unscorable = :mixed AND EXISTS (
            SELECT FROM instances i WHERE i.study_id = s.id AND i.patient_pseudonym = :patient
        )
    )
    ORDER BY s.id
    """
)


class StudyHeld(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """A run has handed the study out and waits for its result."""

    def __init__(self, who: str, since: datetime) -> None:
        super().__init__(who, since)
        self.who = who
        self.since = since


class MoreWentOut(Exception):  # noqa: N818 -- a state of affairs
    """Something of the study was exported since its exports were looked up."""


class Sent(NamedTuple):
    """What went out of a study, and where it lies."""

    id: int
    kind: str
    target: str  # folder, s3, dicomweb or dicom
    place: str
    name: str
    host: str
    sop_instance_uid: str | None


class OfPatient(NamedTuple):
    """A study that holds images of a patient."""

    pseudonym: str
    mixed: bool  # and of somebody else


@dataclass(frozen=True, slots=True)
class Removed:
    """What was known of a study and is no more."""

    rows: dict[str, int]  # by table
    objects: int  # in the archive, known no longer by their keys; unreadable ones beside them too
    shared: int  # in the archive, which hold other studies too and keep their keys


def study_named(session: Session, name: str, pseudonyms: Pseudonyms) -> str | None:
    """The pseudonym of a study that is there or was erased, by its UID or pseudonym."""
    for pseudonym in (pseudonyms.study(name), name):
        known = select(Study.id).where(Study.pseudonym == pseudonym)
        if session.scalars(known).first() is not None or is_erased(session, pseudonym):
            return pseudonym
    return None


def is_erased(session: Session, pseudonym: str) -> bool:
    """Whether there is a stub of a study or a patient."""
    found: bool = session.execute(HAS_STUB, {"pseudonym": pseudonym}).scalar_one()
    return found


def is_known(session: Session, patient: str) -> bool:
    """Whether anything says who a patient (a pseudonym) is, or was."""
    return session.get(Patient, patient) is not None or is_erased(session, patient)


def same_number(session: Session, number: str, patient: str) -> int:
    """How many others than `patient` (a pseudonym) have a Patient ID; looks through all."""
    asked = {"number": number.strip().upper(), "patient": patient}
    found: int = session.execute(SAME_NUMBER, asked).scalar_one()
    return found


def of_patient(session: Session, patient: str) -> list[OfPatient]:
    """The studies that hold images of a patient (a pseudonym)."""
    asked = {"patient": patient, "mixed": NotScored.MIXED_PATIENTS.value}
    return [OfPatient(*row) for row in session.execute(OF_PATIENT, asked)]


def sent(session: Session, study: str) -> list[Sent]:
    """What went out of a study (a pseudonym), as far as it was noted."""
    columns = (getattr(Export, name) for name in Sent._fields)
    rows = session.execute(
        select(*columns)
        .join(Study, Study.id == Export.study_id)
        .where(Study.pseudonym == study)
        .order_by(Export.id)
    )
    return [Sent(*row) for row in rows]


def erase(
    session: Session, study: str, dealt_with: list[Sent], who: str, pseudonyms: Pseudonyms
) -> Removed | None:
    """Remove all that is known of a study (a pseudonym), but for a stub; None: it is not there.

    `dealt_with` is what went out of it and was removed, or told to a person. Raises `StudyHeld`
    while a run waits for its result, `MoreWentOut`.
    """
    session.execute(ALONE)
    found = session.execute(STUDY, {"study": study}).one_or_none()
    if found is None:
        return None
    where = {"study": found.id}
    for run in session.execute(IN_FLIGHT, where).all():
        if not hold_if_dead(session, run.bucket, run.prefix, run.release):
            raise StudyHeld(run.who, run.started_at)
    if {one.id for one in sent(session, study)} - {one.id for one in dealt_with}:
        raise MoreWentOut
    session.execute(STUB, {"pseudonym": study})
    held = session.execute(HELD, where).all()
    others = set(session.scalars(SHARING, {"studies": [found.id], "uids": []}))
    rows = {
        table: getattr(session.execute(statement, where | ERASED), "rowcount", 0)
        for table, statement in ROWS.items()
    }
    patients = {found.patient_pseudonym, *(row.patient_pseudonym for row in held)} - {None}
    rows["patients"] = _forget(session, sorted(patients))
    refresh(session, others)
    objects = {row.object_id for row in held}
    lay_in = folders(session, objects)
    hidden = hide(session, objects, pseudonyms)
    beside = hide_beside(session, lay_in, pseudonyms)
    audit.note(session, who, "erased", found.id, stub=study, rows=rows)
    return Removed(rows, hidden + beside, len(objects) - hidden)


def erase_patient(session: Session, patient: str, who: str) -> bool:
    """Keep a stub of a patient (a pseudonym), and no identity; False: there was one already.

    Images of studies up to today that come yet are stopped by it. The studies that are there are
    erased one by one.
    """
    session.execute(ALONE)
    before = is_erased(session, patient)
    session.execute(STUB, {"pseudonym": patient})
    rows = {"patients": _forget(session, [patient])}
    audit.note(session, who, "erased_patient", stub=patient, rows=rows)
    return not before


def _forget(session: Session, patients: list[str]) -> int:
    done = session.execute(
        PATIENTS, {"patients": patients, "mixed": NotScored.MIXED_PATIENTS.value}
    )
    return getattr(done, "rowcount", 0)
