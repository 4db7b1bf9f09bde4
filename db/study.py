"""One study: what the list says of it, its images, and whose it is."""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# No instance is read from two objects; a copy of it elsewhere is a row of its own.
IMAGES = text(
    """
    SELECT i.series_uid, i.sop_instance_uid, i.sop_class, i.laterality, i.view, i.verdict,
        i.reason, i.flags
    FROM instances i JOIN studies s ON s.id = i.study_id
    WHERE s.study_uid = :uid
        AND i.series_uid = coalesce(CAST(:series AS text), i.series_uid)
        AND i.sop_instance_uid = coalesce(CAST(:instance AS text), i.sop_instance_uid)
    ORDER BY i.series_uid, i.sop_instance_uid, i.verdict, i.id
    LIMIT :limit OFFSET :offset
    """
)
SERIES = text(
    """
    SELECT i.series_uid, count(*) AS images FROM instances i JOIN studies s ON s.id = i.study_id
    WHERE s.study_uid = :uid AND i.series_uid IS NOT NULL AND i.sop_instance_uid IS NOT NULL
    GROUP BY i.series_uid ORDER BY i.series_uid
    """
)
NAMES = text("SELECT id, pseudonym, patient_pseudonym FROM studies WHERE study_uid = :uid")
WHOSE = text(
    """
    SELECT p.patient_name, p.patient_id, p.birth_date, p.sex, o.accession_number
    FROM (SELECT CAST(:patient AS text) AS pseudonym) asked
    LEFT JOIN identity.patients p ON p.pseudonym = asked.pseudonym
    LEFT JOIN identity.orders o ON o.study_pseudonym = :study
    """
)


class Image(NamedTuple):
    """An image as it lies in an object."""

    series_uid: str
    sop_instance_uid: str
    sop_class: str | None
    laterality: str | None
    view: str | None
    verdict: str
    reason: str
    flags: list[str]


class Series(NamedTuple):
    series_uid: str
    images: int


class Names(NamedTuple):
    """What a study is called here: its number, and keyed pseudonyms."""

    id: int
    pseudonym: str
    patient_pseudonym: str | None


@dataclass(frozen=True, slots=True)
class Whose:
    """PHI. None: not stated, or erased."""

    name: str | None
    patient_id: str | None
    birth_date: str | None  # as in the header: it may be no date
    sex: str | None
    accession_number: str | None


def names(session: Session, study_uid: str) -> Names | None:
    """What the study is called; None: there is no such one."""
    found = session.execute(NAMES, {"uid": study_uid}).one_or_none()
    return None if found is None else Names(*found)


def images(
    session: Session,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
    *,
    limit: int = 1000,
    offset: int = 0,
) -> list[Image]:
    """The images of a study that say their series and UID, by these."""
    asked = {"uid": study_uid, "series": series_uid, "instance": sop_instance_uid}
    rows = session.execute(IMAGES, {**asked, "limit": limit, "offset": offset})
    return [Image(*row) for row in rows]


def series(session: Session, study_uid: str) -> list[Series]:
    return [Series(*row) for row in session.execute(SERIES, {"uid": study_uid})]


def whose(session: Session, of: Names) -> Whose:
    """Whose a study is. Under the identity role alone, and with an entry in the audit."""
    asked = {"patient": of.patient_pseudonym, "study": of.pseudonym}
    return Whose(*session.execute(WHOSE, asked).one())
