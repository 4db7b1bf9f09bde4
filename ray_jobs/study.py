"""One study: read, decode, prepare, infer. Knows nothing of Ray, S3 or Triton."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammo.codes import RETRIED_OBJECT_REASONS, NotScored, Reason
from mammo.findings import RawView, of_view
from mammo.pixel_error import PixelError
from mammo.prepare import Preparation, Prepared
from mammo.views import Laterality
from ray_jobs.decoding_child import prepared
from ray_jobs.faults import DecoderLost, InferenceFailed, InferenceLost, ObjectUnreadable, StoreLost
from ray_jobs.records import InstanceOutcome, PlannedInstance, Seen, StudyOutcome, StudyPlan
from ray_jobs.stages import Stages
from triton_repo.release import Manifest

Read = Callable[[PlannedInstance], bytes]
Prepare = Callable[[bytes, Laterality | None, Preparation, Stages], Prepared]
Infer = Callable[[NDArray[np.uint8]], "Future[RawView]"]


# Not the file's own fault, or not for sure: the operator is told.
DIED = frozenset({Reason.DECODE_CRASHED, Reason.DECODE_TIMEOUT, Reason.TOO_LARGE})
# The stages of preparing are one in the run's account.
_PREPARE = frozenset({"voi", "breast", "resample"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """An image that was prepared and sent to be inferred."""

    prepared: Prepared
    sha256: str
    answer: "Future[RawView]"


def screen(
    plan: StudyPlan,
    read: Read,
    infer: Infer,
    manifest: Manifest,
    prepare: Prepare = prepared,
    entered: Callable[[str], None] = lambda _: None,
) -> StudyOutcome:
    """Read, prepare and score one study; one view is inferred while the next is decoded.

    The job's tasks `prepare` in a child process. `entered` is told each stage. Nothing about the
    study's data or the services escapes as an exception.
    """
    stages = Stages(entered)
    fetch = _Fetch(read, stages)
    done: list[InstanceOutcome] = []
    copies: list[InstanceOutcome] = []
    waiting: list[tuple[PlannedInstance, Waiting]] = []
    lost = died = None
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
            began = begin(data, planned.laterality, prepare, infer, manifest, stages)
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
    except DecoderLost as error:
        why, died = NotScored.WORKER_DIED, str(error)
    else:
        done += [
            InstanceOutcome.of(planned, scored(item, raw, planned.view, manifest))
            for planned, item, raw in answers
        ]
        return StudyOutcome.looked_at(tuple(done), tuple(copies), account(stages))
    return StudyOutcome((), why, lost, account(stages), died=died)


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
    data: bytes,
    laterality: Laterality,
    prepare: Prepare,
    infer: Infer,
    manifest: Manifest,
    stages: Stages,
) -> Waiting | Seen:
    """Decode and prepare one image and send it to be inferred; or what is wrong with it.

    Raises DecoderLost.
    """
    digest = _sha256(data)
    stages.entered("decode")
    try:
        view = prepare(data, laterality, manifest.preparation, stages)
    except PixelError as error:
        how = error.detail if error.reason in DIED else None
        return Seen(error.reason, sha256=digest, died=how)
    return Waiting(view, digest, infer(view.tensor))


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
