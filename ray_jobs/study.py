"""One study: read, decode, prepare, infer. Knows nothing of Ray, S3 or Triton."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mammo.codes import RETRIED_OBJECT_REASONS, NotScored, Reason
from mammo.decode import PixelError, decode
from mammo.findings import RawView, of_view
from mammo.prepare import Prepared, prepare
from ray_jobs.faults import InferenceFailed, InferenceLost, ObjectUnreadable, StoreLost
from ray_jobs.records import InstanceOutcome, PlannedInstance, StudyOutcome, StudyPlan
from triton_repo.release import Manifest

Read = Callable[[PlannedInstance], bytes]
Infer = Callable[[NDArray[np.uint8]], "Future[RawView]"]


class Stages:
    """Wall seconds spent in each stage of one task."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

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
    answer: "Future[RawView]"


def screen(plan: StudyPlan, read: Read, infer: Infer, manifest: Manifest) -> StudyOutcome:
    """Read, prepare and score one study; one view is inferred while the next is decoded.

    Nothing about the study's data or the services escapes as an exception.
    """
    stages = Stages()
    done: list[InstanceOutcome] = []
    copies: list[InstanceOutcome] = []
    waiting: list[_Waiting] = []
    lost: str | None = None
    fetch = _Fetch(read, stages)
    try:
        for copy in plan.copies:
            copied = fetch(copy)
            if isinstance(copied, bytes):
                copies.append(InstanceOutcome(copy, sha256=_sha256(copied)))
        for planned in plan.instances:
            data = fetch(planned)
            if isinstance(data, Reason):
                done.append(InstanceOutcome(planned, data))
                continue
            digest = _sha256(data)
            try:
                prepared = _prepared(planned, data, stages, manifest)
            except PixelError as error:
                done.append(InstanceOutcome(planned, error.reason, sha256=digest))
                continue
            waiting.append(_Waiting(planned, prepared, digest, infer(prepared.tensor)))
        with stages("infer"):
            answers = [(item, item.answer.result()) for item in waiting]
    except (StoreLost, ObjectUnreadable) as error:
        why: NotScored | None = NotScored.READ_FAILED
        lost = str(error) if isinstance(error, StoreLost) else None
        done = []
        copies = []
    except (InferenceLost, InferenceFailed) as error:
        why = NotScored.INFER_FAILED
        lost = str(error) if isinstance(error, InferenceLost) else None
        done = []
        copies = []
    else:
        done += [_scored(item, raw, manifest) for item, raw in answers]
        scored = any(item.probability is not None for item in done)
        why = None if scored else NotScored.ALL_QUARANTINED
        if _conflict(done, copies):
            why = NotScored.CONFLICTING_INSTANCES
    return StudyOutcome(tuple(done), why, lost, _account(stages), tuple(copies))


@dataclass(frozen=True, slots=True)
class _Fetch:
    """The bytes of an instance's file, or for good why there are none.

    Raises `ObjectUnreadable` where another try may help, `StoreLost`.
    """

    read: Read
    stages: Stages

    def __call__(self, planned: PlannedInstance) -> bytes | Reason:
        try:
            with self.stages("fetch"):
                return self.read(planned)
        except ObjectUnreadable as error:
            if error.reason in RETRIED_OBJECT_REASONS:
                raise
            return error.reason


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _conflict(done: list[InstanceOutcome], copies: list[InstanceOutcome]) -> bool:
    """Whether other bytes came under the UID of an image that is to be scored."""
    digests = {item.planned.sop_instance_uid: item.sha256 for item in done if item.sha256}
    return any(
        digests.get(copy.planned.sop_instance_uid, copy.sha256) != copy.sha256 for copy in copies
    )


def _prepared(
    planned: PlannedInstance, data: bytes, stages: Stages, manifest: Manifest
) -> Prepared:
    with stages("decode"):
        decoded = decode(data)
    prepared = prepare(decoded, planned.laterality, manifest.preparation, stages)
    return replace(prepared, flags=decoded.flags + prepared.flags)


def _scored(item: _Waiting, raw: RawView, manifest: Manifest) -> InstanceOutcome:
    prepared = item.prepared
    breast = prepared.geometry.to_prepared(np.array([tuple(prepared.breast_box)]))[0]
    found = of_view(
        raw,
        prepared.geometry,
        (breast[0], breast[1], breast[2], breast[3]),
        item.planned.view,
        manifest.calibration,
        manifest.scale,
        manifest.finding_threshold,
    )
    return InstanceOutcome(
        item.planned,
        next(iter(prepared.reviews), None),
        prepared.flags,
        item.sha256,
        found.findings,
        found.probability,
    )


def _account(stages: Stages) -> dict[str, float]:
    account: dict[str, float] = defaultdict(float)
    for name, seconds in stages.seconds.items():
        account["prepare" if name in _PREPARE else name] += seconds
    return dict(account)
