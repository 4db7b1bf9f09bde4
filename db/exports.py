"""What is said of a study, as it goes out to a hospital or an analyst."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.plan import place_of
from db.results import BreastScore
from db.schema import Export, Finding, Patient, Release, Result, Study, WorklistRow
from db.worklist import LATE_IMAGE, ListedFinding, breasts_of, listed
from mammo.codes import Level, NotScored, Verdict
from mammo.facts import Facts, Identity
from mammo.members import Place

# The images contradict one another: nothing may be said of them in one patient's name.
CONTRADICTORY = frozenset({NotScored.MIXED_PATIENTS, NotScored.CONFLICTING_INSTANCES})
# The release did not try.
NOT_TRIED = frozenset({NotScored.NO_2D_IMAGE, NotScored.NOT_VALID_FOR_RELEASE})


class NothingToExport(Exception):  # noqa: N818 -- a state of affairs
    """No result of this study can go out: which study, and why. One sentence."""


@dataclass(frozen=True, slots=True)
class ExportedInstance:
    """An instance that was analysed, or should have been, and where its file lies."""

    id: int
    sop_instance_uid: str | None
    series_uid: str | None
    sop_class: str | None
    transfer_syntax: str | None
    facts: Facts | None  # None: no header was read
    reason: str
    bucket: str
    key: str
    etag: str
    size: int  # bytes of the object
    place: Place | None  # of a member
    sha256: str | None  # of the file that was analysed; None: it was not


@dataclass(frozen=True, slots=True)
class ExportedStudy:
    """The result that the worklist shows of a study."""

    study_uid: str
    pseudonym: str
    patient_pseudonym: str | None
    site: str
    study_date: date | None
    release: str  # digest
    release_name: str
    code_version: str
    created_at: datetime
    level: Level
    score: int | None
    probability: float | None
    reason: NotScored | None
    contradictory: bool  # by what is known now
    breasts: dict[str, BreastScore]
    missing_views: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[ListedFinding, ...]
    used: tuple[ExportedInstance, ...]
    failed: tuple[ExportedInstance, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """Where something goes: what an erasure has to know to remove it there, or to have it removed."""

    target: str  # folder, s3, dicomweb or dicom
    place: str  # the folder, s3://bucket/prefix/, the DICOMweb root or AET@host:port
    host: str = ""  # on which the folder lies


# An instance may lie in several objects: the one that was taken goes first, then one that is
# still there.
USED = text(
    """
    SELECT DISTINCT ON (used.sop_instance_uid)
        i.id, i.sop_instance_uid, i.series_uid, i.sop_class, i.transfer_syntax, i.facts, i.reason,
        o.bucket, o.key, o.etag, o.size, i.member_method, i.member_offset, i.member_length,
        i.member_size, i.member_crc32, used.sha256
    FROM result_instances used
    JOIN instances i ON i.study_id = :study AND i.sop_instance_uid = used.sop_instance_uid
    JOIN objects o ON o.id = i.object_id
    WHERE used.result_id = :result
    ORDER BY used.sop_instance_uid, i.sha256 = used.sha256 DESC NULLS LAST,
        o.gone_at IS NULL DESC, i.verdict = 'accepted' DESC, i.id
    """
)

# What can't be trusted, and, of a study that could not be scored, what should have been looked at.
FAILED = text(
    """
    SELECT DISTINCT ON (coalesce(i.sop_instance_uid, i.id::text))
        i.id, i.sop_instance_uid, i.series_uid, i.sop_class, i.transfer_syntax, i.facts,
        CASE WHEN i.verdict = 'accepted' THEN :why ELSE i.reason END AS reason,
        o.bucket, o.key, o.etag, o.size, i.member_method, i.member_offset, i.member_length,
        i.member_size, i.member_crc32, NULL AS sha256
    FROM instances i JOIN objects o ON o.id = i.object_id
    WHERE i.study_id = :study AND i.is_mammography AND o.gone_at IS NULL
        AND (i.verdict = :quarantined OR (:tried AND i.verdict = 'accepted'))
        AND NOT EXISTS (
            SELECT FROM result_instances used
            WHERE used.result_id = :result AND used.sop_instance_uid = i.sop_instance_uid
        )
    ORDER BY coalesce(i.sop_instance_uid, i.id::text), i.id
    """
)


def export(session: Session, name: str) -> ExportedStudy:
    """The result of a study by its Study Instance UID or pseudonym. Raises `NothingToExport`."""
    row = session.execute(
        select(Study, Result, Release.name)
        .join(WorklistRow, WorklistRow.study_id == Study.id, isouter=True)
        .join(Result, Result.id == WorklistRow.result_id, isouter=True)
        .join(Release, Release.digest == Result.release, isouter=True)
        .where((Study.study_uid == name) | (Study.pseudonym == name))
    ).one_or_none()
    if row is None:
        raise NothingToExport(f"There is no study {name!r} in the index: check its UID.")
    study, result, release = row
    if result is None:
        raise NothingToExport(
            f"No release has spoken of the study {study.pseudonym} yet: run `nightread screen`."
        )
    late = (LATE_IMAGE,) if result.fingerprint != study.fingerprint else ()
    reason = NotScored[result.reason] if result.reason else None
    where = {
        "study": study.id,
        "result": result.id,
        "why": result.reason or "",
        "tried": reason is not None and reason not in NOT_TRIED,
        "quarantined": Verdict.QUARANTINED.value,
    }
    return ExportedStudy(
        study_uid=study.study_uid,
        pseudonym=study.pseudonym,
        patient_pseudonym=study.patient_pseudonym,
        site=study.site,
        study_date=study.study_date,
        release=result.release,
        release_name=release,
        code_version=result.code_version,
        created_at=result.created_at,
        level=Level(result.level),
        score=result.score,
        probability=result.probability,
        reason=reason,
        contradictory=bool({reason, study.unscorable} & CONTRADICTORY),
        breasts=breasts_of(result),
        missing_views=tuple(result.missing_views),
        warnings=(*late, *result.warnings),
        findings=tuple(
            listed(finding)
            for finding in session.scalars(
                select(Finding).where(Finding.result_id == result.id).order_by(Finding.ordinal)
            )
        ),
        used=tuple(_instances(session, USED, where)),
        failed=tuple(_instances(session, FAILED, where)),
    )


def note(
    session: Session,
    studies: Collection[str],
    kind: str,
    address: Address,
    name: str,
    sop_instance_uid: str | None = None,
) -> None:
    """Note that an object, or a table with rows of `studies` (UIDs), goes out; commit before it does.

    Raises `NothingToExport` when one of them was erased meanwhile.
    """
    found = session.scalars(select(Study.id).where(Study.study_uid.in_(studies))).all()
    if len(found) < len(studies):
        raise NothingToExport("A study was erased while it was exported: nothing of it goes out.")
    session.execute(
        insert(Export).on_conflict_do_update(
            constraint="uq_exports_study_id_place_name_host",
            set_={"at": func.now(), "kind": kind, "sop_instance_uid": sop_instance_uid},
        ),
        [
            {
                "study_id": study,
                "kind": kind,
                "target": address.target,
                "place": address.place,
                "name": name,
                "host": address.host,
                "sop_instance_uid": sop_instance_uid,
            }
            for study in sorted(found)
        ],
    )


def _instances(
    session: Session, query: TextClause, where: Mapping[str, object]
) -> Iterator[ExportedInstance]:
    for row in session.execute(query, where).mappings():
        yield ExportedInstance(
            id=row["id"],
            sop_instance_uid=row["sop_instance_uid"],
            series_uid=row["series_uid"],
            sop_class=row["sop_class"],
            transfer_syntax=row["transfer_syntax"],
            facts=Facts.from_dict(row["facts"]) if row["facts"].get("sop_instance_uid") else None,
            reason=row["reason"],
            bucket=row["bucket"],
            key=row["key"],
            etag=row["etag"],
            size=row["size"],
            place=place_of(row),
            sha256=row["sha256"],
        )


def who(session: Session, pseudonym: str) -> Identity | None:
    """Whose pseudonym it is. Under the identity role alone: the job's may not ask."""
    found = session.get(Patient, pseudonym)
    if found is None:
        return None
    return Identity(
        patient_id=found.patient_id or "",
        issuer=found.issuer or "",
        name=found.patient_name or "",
        birth_date=found.birth_date or "",
        sex=found.sex or "",
    )
