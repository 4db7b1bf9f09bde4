"""The API's documents. Fields may be added; none is renamed or dropped within a version."""

from datetime import date, datetime
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from db.read_states import ReadState
from mammo.codes import Call, Level
from nightread.shapes import BreastShape, Shape, WorklistItem
from nightread.web.fields import Fingerprint, SiteName, Text, Uid
from nightread.web.principal import Role


class Me(Shape):
    """Who asks, and what they may do."""

    who: str
    name: str
    roles: list[Role]


class LevelCount(Shape):
    """Studies of a level."""

    open: int  # not read, and not marked as such for too long
    aged: int
    read: int


class Counts(Shape):
    """How many studies stand in the list."""

    site: str | None
    levels: dict[Level, LevelCount]


class StudyDocument(WorklistItem):
    """A study as the list shows it; `rank` is 1."""

    fingerprint: str  # of the study as it is shown; goes back with a decision
    notice: str


class SeriesShape(Shape):
    series_uid: str
    images: int


class ImageShape(Shape):
    """An image of a study, used or not."""

    series_uid: str
    sop_instance_uid: str
    sop_class: str | None
    laterality: str | None
    view: str | None
    verdict: str
    reason: str
    warnings: list[str]


class FoundIn(Shape):
    """A finding of the result that the list shows."""

    box: tuple[float, float, float, float]  # native pixels, x1 and y1 exclusive
    kind: str
    probability: float
    score: int
    location: str


class InstanceDocument(ImageShape):
    findings: list[FoundIn]


class Identity(Shape):
    """Whose a study is, as its header says. Null: not stated, or erased."""

    study_uid: str
    name: str | None
    patient_id: str | None
    birth_date: str | None
    sex: str | None
    accession_number: str | None


class SaidShape(Shape):
    """What a release said of a study."""

    release: str
    release_name: str
    run: int
    level: Level
    score: int | None
    probability: float | None
    L: BreastShape | None
    R: BreastShape | None
    reason: str | None
    missing_views: list[str]
    warnings: list[str]
    at: datetime
    superseded_at: datetime | None
    shown: bool
    of_these_images: bool


class DecidedShape(Shape):
    """What a reader decided; others' only once all are in."""

    id: int
    reader: str
    round: int
    L: Call | None
    R: Call | None
    comment: str
    score_seen: bool
    at: datetime
    corrected: bool
    of_these_images: bool


class HistoryDocument(Shape):
    """All that was ever said of a study, the newest first, and what was decided."""

    study_uid: str
    pseudonym: str
    site: str
    study_date: date | None
    listed_at: datetime | None
    aged_at: datetime | None
    read_at: datetime | None
    results: list[SaidShape]
    decisions: list[DecidedShape]


class ClaimAsked(Shape):
    site: SiteName | None = None  # null: of any


class ClaimDocument(Shape):
    """A study that is the reader's until somebody else may have it."""

    study_uid: str
    fingerprint: str
    until: datetime


# As the validator below, for who reads the document.
OF_A_BREAST: JsonDict = {
    "anyOf": [
        {"required": [side], "properties": {side: {"not": {"type": "null"}}}} for side in ("L", "R")
    ]
}


class DecisionAsked(Shape):
    """What a reader decides, of one breast at least."""

    model_config = ConfigDict(json_schema_extra=OF_A_BREAST)

    fingerprint: Fingerprint
    L: Call | None = None  # null: there is no image of this breast
    R: Call | None = None
    score_seen: bool = Field(description="Before it was decided.")
    comment: Text = ""

    @model_validator(mode="after")
    def of_a_breast(self) -> Self:
        if self.L is None and self.R is None:
            raise ValueError("decide for L or R at least")
        return self


class StandingDocument(Shape):
    """Where a study stands with its readers."""

    readers: int  # independent decisions that its site asks for
    decided: int
    arbitration: bool  # all are in and contradict one another
    complete: bool


class ReadStateShape(Shape):
    state: ReadState


class ReadStatesChanged(Shape):
    read: int
    unread: int
    unknown: list[Uid]  # not in the list


class SiteShape(Shape):
    name: str
    release: str | None  # digest of the active one
    release_name: str | None


class NightShape(Shape):
    """What a release said of a site's studies in the runs that began on a day (UTC)."""

    night: date
    release: str
    scored: int
    not_scored: int
    mean_probability: float | None
    scores: list[int]  # how many had the score 1, 2, ... 10


class AuditEntryShape(Shape):
    id: int
    at: datetime
    who: str
    action: str
    study: str | None  # pseudonym; null: of no study, or it was erased
    detail: dict[str, Any]
    before: str
    digest: str


class AuditPage(Shape):
    entries: list[AuditEntryShape]
    next: int | None  # `after` of the following page
