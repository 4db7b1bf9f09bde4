"""The next case, and what is decided of it."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from db import audit, reading, study
from db.history import history
from db.reading import Decision
from nightread.web import deciding
from nightread.web.api import shapes
from nightread.web.api.guards import Reading, no_study
from nightread.web.api.studies import decisions as visible
from nightread.web.deciding import NO_STUDY
from nightread.web.fields import StudyUid

ANY_SITE = shapes.ClaimAsked()

router = APIRouter(tags=["reading"])


@router.post(
    "/claims",
    responses={204: {"description": "All is read or claimed.", "model": None}},
)
def claim(
    access: Reading, asked: Annotated[shapes.ClaimAsked, Body()] = ANY_SITE
) -> shapes.ClaimDocument:
    """The reader's own open case if there is one, or else the first that nobody has."""
    found = reading.claim_next(access.session, access.principal.who, asked.site)
    if found is None:
        return Response(status_code=204)  # type: ignore[return-value]
    return shapes.ClaimDocument(
        study_uid=found.study_uid, fingerprint=found.fingerprint, until=found.until
    )


@router.delete(
    "/studies/{study_uid}/claim", status_code=204, responses={404: {"description": NO_STUDY}}
)
def give_back(study_uid: StudyUid, access: Reading) -> None:
    """Give a claimed study back to all; nothing happens if it is not the reader's."""
    named = study.names(access.session, study_uid)
    if named is None:
        raise no_study()
    reading.release(access.session, access.principal.who, named.id)


@router.get("/studies/{study_uid}/decisions", responses={404: {"description": NO_STUDY}})
def decisions(study_uid: StudyUid, access: Reading) -> list[shapes.DecidedShape]:
    """One's own, and others' once all are in."""
    found, named = history(access.session, study_uid), study.names(access.session, study_uid)
    if found is None or named is None or found.listed_at is None:
        raise no_study()
    audit.note(access.session, access.principal.who, "viewed", named.id, what="decisions")
    return visible(access.session, found, access.principal.who)


@router.post(
    "/studies/{study_uid}/decisions",
    status_code=201,
    responses={
        404: {"description": NO_STUDY},
        409: {"description": "Another has the study, it is read, or its images changed."},
    },
)
def decide(
    study_uid: StudyUid, asked: shapes.DecisionAsked, access: Reading
) -> shapes.StandingDocument:
    """Write down a decision in the round that is due, or correct one's own."""
    decision = Decision(
        study_uid=study_uid,
        fingerprint=asked.fingerprint,
        reader=access.principal.who,
        left=asked.L,
        right=asked.R,
        score_seen=asked.score_seen,
        comment=asked.comment,
    )
    stands = deciding.decide(access, decision)
    return shapes.StandingDocument(
        readers=stands.readers,
        decided=len(stands.made),
        arbitration=stands.arbitration,
        complete=stands.complete,
    )
