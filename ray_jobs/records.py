"""What passes between the driver and its tasks: a few kilobytes a study."""

from dataclasses import dataclass, field

from mammo.codes import Flag, NotScored, Reason
from mammo.findings import Finding
from mammo.views import Laterality


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    etag: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """An accepted instance that a study's task has to read."""

    instance_id: int
    bucket: str
    item: Listed
    sop_instance_uid: str
    laterality: Laterality
    view: str  # projection, such as CC or MLO
    reason: Reason  # of its acceptance, by the header
    flags: tuple[Flag, ...]  # of the header
    transfer_syntax: str | None = None  # UID


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a task needs to know of a study."""

    study_uid: str
    instances: tuple[PlannedInstance, ...]


@dataclass(frozen=True, slots=True)
class InstanceOutcome:
    """What became of one instance once its pixels were looked at."""

    planned: PlannedInstance
    reason: Reason | None = None  # the pixels changed what the header said
    flags: tuple[Flag, ...] = ()  # of the pixels
    sha256: str | None = None  # of the file as read
    findings: tuple[Finding, ...] = ()
    probability: float | None = None  # None: not scored
    died: str | None = None  # how decoding ended: a sentence for the operator


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What a task returns."""

    instances: tuple[InstanceOutcome, ...]
    not_scored: NotScored | None
    lost: str | None = None  # a service that could not be reached: a sentence for the operator
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    died: str | None = None  # the decoder's child, of nothing that the study did: a sentence
