"""A study, its images, what was said of it, and whose it is. Who looks is noted in the audit."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from db import audit, study, worklist
from db.history import History, history
from db.results import BreastScore
from db.rounds import standing
from mammo.reports.contents import NOTICE
from nightread import documents
from nightread.shapes import BreastShape
from nightread.web.api import shapes
from nightread.web.api.guards import Identifying, Seeing, no_study
from nightread.web.deciding import NO_STUDY
from nightread.web.fields import ImageLimit, Offset, SeriesUid, SopUid, StudyUid
from nightread.web.problems import Refusal
from nightread.web.security.guard import Access

UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": NO_STUDY}}
NO_REGISTRAR = "This server was given no right to say whose a study is."

router = APIRouter(prefix="/studies/{study_uid}", tags=["studies"], responses=UNKNOWN)


@router.get("")
def one(study_uid: StudyUid, access: Seeing) -> shapes.StudyDocument:
    """What the list shows of a study: scores, findings, exclusions, warnings."""
    found = worklist.item(access.session, study_uid)
    if found is None:
        raise no_study()
    _viewed(access, study_uid, "study")
    shown = documents.listed(found).model_dump()
    return shapes.StudyDocument(**shown, fingerprint=found.fingerprint, notice=NOTICE)


@router.get("/history")
def past(study_uid: StudyUid, access: Seeing) -> shapes.HistoryDocument:
    """All results, superseded ones too, and the decisions that one may see."""
    found = history(access.session, study_uid)
    if found is None or found.listed_at is None:
        raise no_study()
    _viewed(access, study_uid, "history")
    return shapes.HistoryDocument(
        study_uid=found.study_uid,
        pseudonym=found.pseudonym,
        site=found.site,
        study_date=found.study_date,
        listed_at=found.listed_at,
        aged_at=found.aged_at,
        read_at=found.read_at,
        results=_results(found),
        decisions=decisions(access.session, found, access.principal.who),
    )


@router.get("/series")
def series(study_uid: StudyUid, access: Seeing) -> list[shapes.SeriesShape]:
    """The series of a study."""
    _viewed(access, study_uid, "images")
    found = study.series(access.session, study_uid)
    return [shapes.SeriesShape(series_uid=s.series_uid, images=s.images) for s in found]


@router.get("/instances")
def images(
    study_uid: StudyUid, access: Seeing, limit: ImageLimit = 100, offset: Offset = 0
) -> list[shapes.ImageShape]:
    """The images of a study, excluded ones too, with why."""
    _viewed(access, study_uid, "images")
    found = study.images(access.session, study_uid, limit=limit, offset=offset)
    return [shapes.ImageShape(**_image(image)) for image in found]


@router.get("/series/{series_uid}/instances")
def images_of_series(
    study_uid: StudyUid,
    series_uid: SeriesUid,
    access: Seeing,
    limit: ImageLimit = 100,
    offset: Offset = 0,
) -> list[shapes.ImageShape]:
    """The images of a series."""
    _viewed(access, study_uid, "images")
    found = study.images(access.session, study_uid, series_uid, limit=limit, offset=offset)
    return [shapes.ImageShape(**_image(image)) for image in found]


@router.get("/series/{series_uid}/instances/{sop_instance_uid}")
def image(
    study_uid: StudyUid, series_uid: SeriesUid, sop_instance_uid: SopUid, access: Seeing
) -> shapes.InstanceDocument:
    """An image with what was found in it; where objects hold copies, the one that was used."""
    _viewed(access, study_uid, "images")
    found = study.images(access.session, study_uid, series_uid, sop_instance_uid, limit=1)
    listed = worklist.item(access.session, study_uid)
    if not found or listed is None:
        raise Refusal(404, "The study holds no such image.")
    return shapes.InstanceDocument(
        **_image(found[0]),
        findings=[
            shapes.FoundIn(
                box=finding.box,
                kind=finding.kind,
                probability=finding.probability,
                score=finding.score,
                location=finding.location,
            )
            for finding in listed.findings
            if finding.sop_instance_uid == sop_instance_uid
        ],
    )


@router.get("/identity", responses={501: {"description": NO_REGISTRAR}})
def identity(study_uid: StudyUid, access: Identifying) -> shapes.Identity:
    """Whose a study is: for the role identity, and noted in the audit."""
    named = _viewed(access, study_uid, "identity")
    if access.services.identity is None:
        raise Refusal(501, NO_REGISTRAR)
    with Session(access.services.identity) as registrar:
        whose = study.whose(registrar, named)
    return shapes.Identity(
        study_uid=study_uid,
        name=whose.name,
        patient_id=whose.patient_id,
        birth_date=whose.birth_date,
        sex=whose.sex,
        accession_number=whose.accession_number,
    )


def _viewed(access: Access, study_uid: str, what: str) -> study.Names:
    """Noted in the transaction that reads: without the entry there is no answer."""
    named = study.names(access.session, study_uid)
    if named is None:
        raise no_study()
    audit.note(access.session, access.principal.who, "viewed", named.id, what=what)
    return named


def _image(found: study.Image) -> dict[str, Any]:
    shown = found._asdict()
    shown["warnings"] = shown.pop("flags")
    return shown


def _results(found: History) -> list[shapes.SaidShape]:
    return [
        shapes.SaidShape(
            release=said.release,
            release_name=said.release_name,
            run=said.run,
            level=said.level,
            score=said.score,
            probability=said.probability,
            L=_breast(said.left),
            R=_breast(said.right),
            reason=said.reason,
            missing_views=list(said.missing_views),
            warnings=list(said.warnings),
            at=said.at,
            superseded_at=said.superseded_at,
            shown=said.shown,
            of_these_images=said.of_these_images,
        )
        for said in found.said
    ]


def decisions(session: Session, found: History, who: str) -> list[shapes.DecidedShape]:
    """Those that `who` may see: others' only once all are in."""
    stands = standing(session, found.study_uid)
    return [
        shapes.DecidedShape(
            id=decided.id,
            reader=decided.reader,
            round=decided.round,
            L=decided.left,
            R=decided.right,
            comment=decided.comment,
            score_seen=decided.score_seen,
            at=decided.at,
            corrected=decided.corrected,
            of_these_images=decided.of_these_images,
        )
        for decided in found.decided
        if stands.shows(decided, who)
    ]


def _breast(said: BreastScore | None) -> BreastShape | None:
    return BreastShape(score=said.score, probability=said.probability) if said else None
