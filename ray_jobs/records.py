"""What passes between the driver and its tasks: a few kilobytes a study."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from mammo.codes import Flag, NotScored, Reason
from mammo.findings import Finding
from mammo.members import Place
from mammo.views import Laterality
from ray_jobs.inference.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    etag: str
    size: int  # bytes
    modified: datetime | None = None  # by the archive's clock


@dataclass(frozen=True, slots=True)
class ArchiveToRead:
    """An object that is an archive, and what of it is wanted."""

    object_id: int
    bucket: str
    item: Listed
    kind: str  # zip, tar, gzip or zstd
    wanted: frozenset[int] | None = None  # members to look at; None: all
    look: bool = True  # at the images of an archive that is compressed as a whole

    @property
    def streamed(self) -> bool:
        """Whether it can only be read from its beginning on."""
        return self.kind in ("gzip", "zstd")

    @property
    def crumb(self) -> str:
        """What the stages of its task are left under, beside those of studies."""
        return f"object {self.object_id}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the pixels of one instance showed, whatever study it belongs to."""

    reason: Reason | None = None  # the pixels changed what the header said
    flags: tuple[Flag, ...] = ()  # of the pixels
    sha256: str | None = None  # of the file as read
    findings: tuple[Finding, ...] = ()
    probability: float | None = None  # None: not scored
    died: str | None = None  # how decoding ended: a sentence for the operator


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
    place: Place | None = None  # in an archive object
    seen: Seen | None = None  # when its archive was read; its pixels need not be
    transfer_syntax: str | None = None  # UID


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a task needs to know of a study."""

    study_uid: str
    instances: tuple[PlannedInstance, ...]
    copies: tuple[PlannedInstance, ...] = ()  # of some of these: read, to compare their bytes


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

    @classmethod
    def of(cls, planned: PlannedInstance, seen: Seen) -> "InstanceOutcome":
        return cls(
            planned,
            seen.reason,
            seen.flags,
            seen.sha256,
            seen.findings,
            seen.probability,
            seen.died,
        )


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What a task returns."""

    instances: tuple[InstanceOutcome, ...]
    not_scored: NotScored | None
    lost: str | None = None  # a service that could not be reached: a sentence for the operator
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    copies: tuple[InstanceOutcome, ...] = ()  # as far as they could be read
    died: str | None = None  # the decoder's child, of nothing that the study did: a sentence
    triton: Metrics = field(default_factory=Metrics)  # of its worker, since its last study

    @classmethod
    def looked_at(
        cls,
        instances: tuple[InstanceOutcome, ...],
        copies: tuple[InstanceOutcome, ...] = (),
        seconds: dict[str, float] | None = None,
    ) -> "StudyOutcome":
        """A study all of whose images were looked at: it has a score if one of them has.

        It has none if other bytes came under the UID of one of them.
        """
        scored = any(item.probability is not None for item in instances)
        why = None if scored else NotScored.ALL_QUARANTINED
        if _conflict(instances, copies):
            why = NotScored.CONFLICTING_INSTANCES
        return cls(instances, why, None, seconds or {}, copies)


def _conflict(instances: Iterable[InstanceOutcome], copies: Iterable[InstanceOutcome]) -> bool:
    digests = {item.planned.sop_instance_uid: item.sha256 for item in instances if item.sha256}
    return any(
        copy.sha256 is not None
        and digests.get(copy.planned.sop_instance_uid, copy.sha256) != copy.sha256
        for copy in copies
    )
