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
from ray_jobs.records import InstanceOutcome, PlannedInstance, StudyOutcome, StudyPlan
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
class _Waiting:
    planned: PlannedInstance
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
    done: list[InstanceOutcome] = []
    waiting: list[_Waiting] = []
    lost = died = None
    try:
        for planned in plan.instances:
            try:
                with stages("fetch"):
                    data = read(planned)
            except ObjectUnreadable as error:
                if error.reason in RETRIED_OBJECT_REASONS:
                    raise
                done.append(InstanceOutcome(planned, error.reason))
                continue
            digest = hashlib.sha256(data).hexdigest()
            try:
                entered("decode")
                view = prepare(data, planned.laterality, manifest.preparation, stages)
            except PixelError as error:
                how = error.detail if error.reason in DIED else None
                done.append(InstanceOutcome(planned, error.reason, sha256=digest, died=how))
                continue
            waiting.append(_Waiting(planned, view, digest, infer(view.tensor)))
        with stages("infer"):
            answers = [(item, item.answer.result()) for item in waiting]
    except (StoreLost, ObjectUnreadable) as error:
        why: NotScored | None = NotScored.READ_FAILED
        lost = str(error) if isinstance(error, StoreLost) else None
        done = []
    except (InferenceLost, InferenceFailed) as error:
        why = NotScored.INFER_FAILED
        lost = str(error) if isinstance(error, InferenceLost) else None
        done = []
    except DecoderLost as error:
        why, died, done = NotScored.WORKER_DIED, str(error), []
    else:
        done += [_scored(item, raw, manifest) for item, raw in answers]
        scored = any(item.probability is not None for item in done)
        why = None if scored else NotScored.ALL_QUARANTINED
    return StudyOutcome(tuple(done), why, lost, _account(stages), died=died)


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
