"""Codes as a reader understands them, for all templates."""

from datetime import datetime

from db.worklist import LATE_IMAGE, OTHER_RELEASE, PENDING, UNKNOWN_SITE
from mammo.codes import Call, Flag, Level, NotScored, Reason, Status
from nightread.web.html import ENVIRONMENT
from nightread.web.principal import Principal, Role

LEVELS = {
    Level.URGENT: "Urgent",
    Level.NOT_SCORED: "Not scored",
    Level.SOON: "Soon",
    Level.ROUTINE: "Routine",
    Level.LOW: "Low",
}
STATUSES = {
    Status.OPEN: "Open",
    Status.UNREAD: "Unread",
    Status.CLAIMED: "Being read",
    Status.AGED: "Waiting long",
    Status.READ: "Read",
}
SIDES = {"L": "Left", "R": "Right"}
CALLS = {
    Call.RECALL: "Recall",
    Call.ROUTINE: "Routine",
    Call.TECHNICAL_REPEAT: "Technical repeat",
    None: "no image",
}
MARKS = {
    PENDING: "not screened yet",
    LATE_IMAGE: "an image came after the result",
    OTHER_RELEASE: "result of another release",
    UNKNOWN_SITE: "site unknown",
    Flag.W_FILM: "digitised film",
    NotScored.NO_2D_IMAGE: "no 2D image to screen",
    NotScored.ALL_QUARANTINED: "no image can be trusted",
    NotScored.MIXED_PATIENTS: "images of more than one patient",
    NotScored.CONFLICTING_INSTANCES: "images contradict one another",
    NotScored.NOT_VALID_FOR_RELEASE: "not what the release was made for",
    NotScored.POISON: "given up after three tries",
    NotScored.SYNTAX_STOPPED: "two decoders disagree",
    NotScored.READ_FAILED: "could not be read, tried again",
    NotScored.INFER_FAILED: "inference failed, tried again",
    NotScored.TIMED_OUT: "took too long, tried again",
    NotScored.WORKER_DIED: "the worker died, tried again",
}
LINES = {code.value: code.line for kind in (Reason, Flag) for code in kind}
ODD = frozenset({LATE_IMAGE, OTHER_RELEASE, UNKNOWN_SITE, *NotScored})
BAD = frozenset({NotScored.MIXED_PATIENTS, NotScored.CONFLICTING_INSTANCES})


def words(code: str | None) -> str:
    """A code in words; one that nobody wrote words for, as it is."""
    return MARKS.get(code or "") or LINES.get(code or "") or code or ""


def mark_kind(code: str) -> str:
    """How much a mark stands out."""
    return "bad" if code in BAD else "odd" if code in ODD else ""


def person(name: str) -> str:
    """A person name of DICOM's (PS3.5 6.2.1), its first component group, as people write it."""
    family, *given = (part.strip() for part in name.partition("=")[0].split("^")[:3])
    return ", ".join(part for part in (family, " ".join(filter(None, given))) if part) or name


def dicom_date(value: str | None) -> str:
    """A date of DICOM's as 1960-02-29; what is no date as it is."""
    try:
        return datetime.strptime(value or "", "%Y%m%d").strftime("%Y-%m-%d")  # noqa: DTZ007 -- a day
    except ValueError:
        return value or ""


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def pages(principal: Principal) -> list[tuple[str, str]]:
    """Where somebody can go."""
    found = [("/", "Worklist")]
    if Role.SUPERVISOR in principal:
        found.append(("/overview", "Overview"))
    return found


ENVIRONMENT.globals.update(
    level_words=LEVELS,
    status_words=STATUSES,
    side_words=SIDES,
    call_words=CALLS,
    words=words,
    mark_kind=mark_kind,
    pages=pages,
)
ENVIRONMENT.filters.update(person=person, dicom_date=dicom_date, moment=moment)
