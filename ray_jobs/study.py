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
from mammo.views import Laterality
from ray_jobs.faults import InferenceFailed, InferenceLost, ObjectUnreadable, StoreLost
from ray_jobs.records import InstanceOutcome, PlannedInstance, Seen, StudyOutcome, StudyPlan
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
class Waiting:
    """An image that was prepared and sent to be inferred."""

    prepared: Prepared
    sha256: str
    answer: "Future[RawView]"


def screen(plan: StudyPlan, read: Read, infer: Infer, manifest: Manifest) -> StudyOutcome:
    """Read, prepare and score one study; one view is inferred while the next is decoded.

    Nothing about the study's data or the services escapes as an exception.
    """
    stages = Stages()
    fetch = _Fetch(read, stages)
    done: list[InstanceOutcome] = []
    copies: list[InstanceOutcome] = []
    waiting: list[tuple[PlannedInstance, Waiting]] = []
    try:
        for copy in plan.copies:
            if copy.seen is not None:
                copies.append(InstanceOutcome.of(copy, copy.seen))
            elif isinstance(copied := fetch(copy), bytes):
                copies.append(InstanceOutcome(copy, sha256=_sha256(copied)))
        for planned in plan.instances:
            if planned.seen is not None:
                done.append(InstanceOutcome.of(planned, planned.seen))
                continue
            data = fetch(planned)
            if isinstance(data, Reason):
                done.append(InstanceOutcome(planned, data))
                continue
            began = begin(data, planned.laterality, infer, manifest, stages)
            if isinstance(began, Seen):
                done.append(InstanceOutcome.of(planned, began))
            else:
                waiting.append((planned, began))
        with stages("infer"):
            answers = [(planned, item, item.answer.result()) for planned, item in waiting]
    except (StoreLost, ObjectUnreadable) as error:
        why = NotScored.READ_FAILED
        lost = str(error) if isinstance(error, StoreLost) else None
    except (InferenceLost, InferenceFailed) as error:
        why = NotScored.INFER_FAILED
        lost = str(error) if isinstance(error, InferenceLost) else None
    else:
        done += [
            InstanceOutcome.of(planned, scored(item, raw, planned.view, manifest))
            for planned, item, raw in answers
        ]
        return StudyOutcome.looked_at(tuple(done), tuple(copies), account(stages))
    return StudyOutcome((), why, lost, account(stages))


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


def begin(
    data: bytes, laterality: Laterality, infer: Infer, manifest: Manifest, stages: Stages
) -> Waiting | Seen:
    """Decode and prepare one image and send it to be inferred; or what is wrong with it."""
    digest = _sha256(data)
    try:
        prepared = _prepared(laterality, data, stages, manifest)
    except PixelError as error:
        return Seen(error.reason, sha256=digest)
    return Waiting(prepared, digest, infer(prepared.tensor))


def _prepared(laterality: Laterality, data: bytes, stages: Stages, manifest: Manifest) -> Prepared:
    with stages("decode"):
        decoded = decode(data)
    prepared = prepare(decoded, laterality, manifest.preparation, stages)
    return replace(prepared, flags=decoded.flags + prepared.flags)


def scored(item: Waiting, raw: RawView, view: str, manifest: Manifest) -> Seen:
    """What the ensemble's answer says of one image."""
    prepared = item.prepared
    breast = prepared.geometry.to_prepared(np.array([tuple(prepared.breast_box)]))[0]
    found = of_view(
        raw,
        prepared.geometry,
        (breast[0], breast[1], breast[2], breast[3]),
        view,
        manifest.calibration,
        manifest.scale,
        manifest.finding_threshold,
    )
    return Seen(
        next(iter(prepared.reviews), None),
        prepared.flags,
        item.sha256,
        found.findings,
        found.probability,
    )


def account(stages: Stages) -> dict[str, float]:
    """The seconds under the names that a run's account has."""
    account: dict[str, float] = defaultdict(float)
    for name, seconds in stages.seconds.items():
        account["prepare" if name in _PREPARE else name] += seconds
    return dict(account)
