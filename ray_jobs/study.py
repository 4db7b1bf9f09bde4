"""One study: read, decode, prepare, infer. Knows nothing of Ray, S3 or Triton."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mammo.codes import Flag, NotScored, Reason, Verdict
from mammo.decode import PixelError, decode
from mammo.findings import Finding, RawView, of_view
from mammo.prepare import Prepared, prepare
from ray_jobs.archive.store import Listed, ObjectError
from triton_repo.release import Manifest


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """An accepted instance that a study's task has to read."""

    instance_id: int
    bucket: str
    item: Listed
    sop_instance_uid: str
    laterality: str
    view: str  # projection, such as CC or MLO


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a task needs to know of a study."""

    study_uid: str
    instances: tuple[PlannedInstance, ...]


@dataclass(frozen=True, slots=True)
class InstanceOutcome:
    """What became of one instance once its pixels were looked at."""

    planned: PlannedInstance
    reason: Reason | None = None  # a new reason: the pixels changed the header's verdict
    flags: tuple[Flag, ...] = ()
    sha256: str | None = None  # of the file as read
    findings: tuple[Finding, ...] = ()
    probability: float | None = None  # None: not scored

    @property
    def scored(self) -> bool:
        return self.probability is not None


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What a task returns: a few kilobytes."""

    study_uid: str
    instances: tuple[InstanceOutcome, ...]
    not_scored: NotScored | None
    lost: str | None  # a service that could not be reached: one sentence for the operator
    seconds: dict[str, float] = field(default_factory=dict)  # by stage


Read = Callable[[PlannedInstance], bytes]
Infer = Callable[[NDArray[np.uint8]], "Future[RawView]"]


class Stages:
    """Wall seconds spent in each stage of one task."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - began


# The stages of preparing are one in the run's account.
_PREPARE = frozenset({"voi", "breast", "resample"})


@dataclass(frozen=True, slots=True)
class _Waiting:
    planned: PlannedInstance
    prepared: Prepared
    sha256: str
    flags: tuple[Flag, ...]
    answer: "Future[RawView]"


def screen(
    plan: StudyPlan,
    read: Read,
    infer: Infer,
    manifest: Manifest,
    unavailable: tuple[type[Exception], ...],
    failed: tuple[type[Exception], ...],
) -> StudyOutcome:
    """Read, prepare and score one study.

    One view is inferred while the next is decoded. Exceptions of `unavailable` mean that a
    service is gone, those of `failed` that it answered with a failure; neither escapes.
    """
    stages = Stages()
    done: list[InstanceOutcome] = []
    waiting: list[_Waiting] = []

    def stopped(why: NotScored, lost: str | None = None) -> StudyOutcome:
        return StudyOutcome(plan.study_uid, (), why, lost, _account(stages))

    try:
        for planned in plan.instances:
            try:
                with stages("fetch"):
                    data = read(planned)
                ready = _prepared(planned, data, stages, manifest)
            except ObjectError as error:
                if error.reason is Reason.TOO_LARGE:
                    done.append(InstanceOutcome(planned, error.reason))
                    continue
                return stopped(NotScored.READ_FAILED)
            except PixelError as error:
                digest = hashlib.sha256(data).hexdigest()
                done.append(InstanceOutcome(planned, error.reason, sha256=digest))
                continue
            waiting.append(
                _Waiting(
                    planned,
                    ready,
                    hashlib.sha256(data).hexdigest(),
                    ready.flags,
                    infer(ready.tensor),
                )
            )
        with stages("infer"):
            answers = [(item, item.answer.result()) for item in waiting]
    except unavailable as error:
        return stopped(NotScored.INFER_FAILED, lost=str(error))
    except failed:
        return stopped(NotScored.INFER_FAILED)
    done += [_scored(item, raw, manifest) for item, raw in answers]
    why = None if any(item.scored for item in done) else NotScored.ALL_QUARANTINED
    return StudyOutcome(plan.study_uid, tuple(done), why, None, _account(stages))


def _prepared(
    planned: PlannedInstance, data: bytes, stages: Stages, manifest: Manifest
) -> Prepared:
    with stages("decode"):
        decoded = decode(data)
    return prepare(decoded, planned.laterality, manifest.preparation, stages)


def _scored(item: _Waiting, raw: RawView, manifest: Manifest) -> InstanceOutcome:
    prepared = item.prepared
    found = of_view(
        raw,
        prepared.geometry,
        prepared.breast_in_tensor,
        item.planned.view,
        manifest.calibration,
        manifest.scale,
        manifest.finding_threshold,
    )
    return InstanceOutcome(
        item.planned,
        prepared.review,
        item.flags,
        item.sha256,
        found.findings,
        found.probability,
    )


def _account(stages: Stages) -> dict[str, float]:
    account: Counter[str] = Counter()
    for name, seconds in stages.seconds.items():
        account["prepare" if name in _PREPARE else name] += seconds
    return dict(account)


def is_accepted(reason: Reason | None) -> bool:
    """Whether an instance whose reason the pixels changed is still screened."""
    return reason is None or reason.verdict is Verdict.ACCEPTED
