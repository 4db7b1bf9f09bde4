"""A study for its reader: images as they hang, what was found, and what is decided."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from db import audit, images, rounds, sites, study
from db.history import History, history
from db.images import ShownImage
from db.priors import priors
from db.reading import Decision, release
from db.rounds import Standing
from db.sites import SiteError
from db.study import Names, Whose
from db.worklist import WorklistItem, item
from mammo.codes import Call, Flag, NotScored, Status
from nightread.web import deciding, html
from nightread.web.deciding import NO_STUDY
from nightread.web.fields import Fingerprint, StudyUid, Text
from nightread.web.pages.words import CALLS, LINES
from nightread.web.pages.worklist import Readers, next_case
from nightread.web.principal import Role
from nightread.web.problems import Refusal
from nightread.web.security.guard import Access

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Chest walls back to back, as one stands before the patient.
HANGING = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
TOLD = (Flag.W_MIRRORED_BY_HEADER, Flag.W_TURNED, Flag.W_IMPLANT_DISPLACED, Flag.W_PARTIAL_VIEW)


@router.get("/studies/{study_uid}")
def one_study(
    request: Request, access: Readers, study_uid: StudyUid, show: str = "", seen: str = ""
) -> HTMLResponse:
    """The page; that somebody saw it is written down."""
    found, names = _listed(access, study_uid)
    standing = rounds.standing(access.session, study_uid)
    told = history(access.session, study_uid)
    assert told is not None
    who = access.principal.who
    mine = standing.by(who)
    shown = (
        show == "findings"
        or mine is not None
        or standing.read
        or _settings(access, found.site).findings == "at_once"
    )
    audit.note(access.session, who, "viewed", names.id, findings=shown)
    pictures = images.shown(access.session, study_uid)
    places, extra = _hung(pictures)
    whose, refused = _whose(access, names, found)
    values = {
        "item": found,
        "standing": standing,
        "shown": shown,
        "score_seen": shown or seen == "list",
        "release_name": _release_name(told),
        "places": places,
        "extra": extra,
        "left_out": images.left_out(access.session, study_uid),
        "priors": priors(access.session, study_uid),
        "said": told.said,
        "decided": [one for one in told.decided if standing.shows(one, who)],
        "whose": whose,
        "whose_refused": refused,
        "viewer": _viewer(access, study_uid, whose),
        "previews": request.app.state.previews is not None,
        "mine": found.claimed_by == who,
        "calls": [(call, words) for call, words in CALLS.items() if call],
        **_decision(found, standing, who, pictures),
    }
    return html.page(request, "study.html", values, access.principal)


@router.get("/studies/{study_uid}/findings")
def findings(request: Request, access: Readers, study_uid: StudyUid) -> HTMLResponse:
    """What the release found, for a reader who has looked and asks for it."""
    found, names = _listed(access, study_uid)
    audit.note(access.session, access.principal.who, "saw_findings", names.id)
    told = history(access.session, study_uid)
    values = {"item": found, "release_name": _release_name(told) if told else ""}
    return html.page(request, "_findings.html", values, access.principal)


@router.post("/studies/{study_uid}/decision")
def decide(
    access: Readers,
    study_uid: StudyUid,
    fingerprint: Annotated[Fingerprint, Form()],
    score_seen: Annotated[bool, Form()],
    then: Annotated[str, Form()] = "stay",
    left: Annotated[Call | None, Form()] = None,
    right: Annotated[Call | None, Form()] = None,
    comment: Annotated[Text, Form()] = "",
) -> Response:
    """Written down for good; a mistake is corrected by deciding again."""
    if left is None and right is None:
        raise Refusal(422, "Nothing was decided: say what is to be done for a breast.")
    who = access.principal.who
    decision = Decision(study_uid, fingerprint, who, left, right, score_seen, comment=comment)
    deciding.decide(access, decision)
    return RedirectResponse(next_case(access) if then == "next" else _page_of(study_uid), 303)


@router.post("/studies/{study_uid}/release")
def give_back(access: Readers, study_uid: StudyUid) -> Response:
    """A claimed case is anybody's again."""
    _, names = _listed(access, study_uid)
    release(access.session, access.principal.who, names.id)
    return RedirectResponse("/", 303)


def _page_of(study_uid: str) -> str:
    return f"/studies/{study_uid}"


def _listed(access: Access, study_uid: str) -> tuple[WorklistItem, Names]:
    found, names = item(access.session, study_uid), study.names(access.session, study_uid)
    if found is None or names is None:
        raise Refusal(404, NO_STUDY)
    return found, names


def _settings(access: Access, site: str) -> sites.Site:
    try:
        every = sites.load(access.session)
    except SiteError as error:
        raise Refusal(500, str(error)) from None
    return next((one for one in every.all if one.name == site), every.named(sites.DEFAULT))


def _release_name(told: History) -> str:
    return next((said.release_name for said in told.said if said.shown), "")


def _hung(pictures: list[ShownImage]) -> tuple[list[dict[str, Any]], list[ShownImage]]:
    """The four places, and what there is beside them."""
    first: dict[tuple[str, str], ShownImage] = {}
    for one in pictures:
        first.setdefault((one.laterality, one.view), one)
    places = [
        {"laterality": side, "view": view, "image": image, "notes": _notes(image)}
        for side, view in HANGING
        for image in (first.get((side, view)),)
    ]
    hung = [place["image"] for place in places]
    return places, [one for one in pictures if one not in hung]


def _notes(image: ShownImage | None) -> list[str]:
    return [LINES[flag] for flag in TOLD if image and flag in image.flags]


def _whose(access: Access, names: Names, found: WorklistItem) -> tuple[Whose | None, str]:
    """Whose the study is, for who may know it; or why nobody is told."""
    identity = access.services.identity
    if Role.IDENTITY not in access.principal or identity is None:
        return None, ""
    if NotScored.MIXED_PATIENTS in found.warnings:
        return None, "The images are of more than one patient: no name is shown."
    audit.note(access.session, access.principal.who, "saw_identity", names.id)
    with Session(identity) as session:
        return study.whose(session, names), ""


def _viewer(access: Access, study_uid: str, whose: Whose | None) -> str | None:
    """The study in the hospital's own viewer; with an accession number only for who may know it."""
    template = access.services.settings.pacs_viewer_url
    number = (whose and whose.accession_number) or ""
    if template is None or ("{accession_number}" in template and not number):
        return None
    filled = template.replace("{study_uid}", quote(study_uid, safe=""))
    return filled.replace("{accession_number}", quote(number, safe=""))


def _decision(
    found: WorklistItem, standing: Standing, who: str, pictures: list[ShownImage]
) -> dict[str, Any]:
    """What a reader may decide; or why not."""
    mine = standing.by(who)
    if standing.read or found.status is Status.READ:
        return {"decision": None, "no_decision": "This case is read."}
    if found.claimed_by not in (None, who):
        return {"decision": None, "no_decision": f"{found.claimed_by} is reading this case."}
    if mine and standing.arbitration:
        return {
            "decision": None,
            "no_decision": "The readers contradict one another: somebody else arbitrates.",
        }
    sides = {one.laterality for one in pictures} or {"L", "R"}
    before = mine and {"L": mine.left, "R": mine.right}
    return {"decision": {"sides": sides, "mine": before}, "no_decision": ""}
