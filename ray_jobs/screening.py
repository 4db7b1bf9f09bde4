"""The studies: planned by a query, one Ray task each, one transaction a result."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from time import monotonic, perf_counter, sleep
from typing import Any, NamedTuple

import structlog
from ray.exceptions import RayError, RayTaskError

from db import plan, results
from db.plan import MAX_ATTEMPTS, PlannedStudy
from db.results import StudyResult
from db.session import in_transaction
from mammo.codes import NotScored
from ray_jobs import breadcrumbs
from ray_jobs.archive import store
from ray_jobs.assembly import Arranged, arrange, not_scored, result_of, seen, stopped
from ray_jobs.faults import InferenceLost, ServiceLost
from ray_jobs.inference.client import TritonClient
from ray_jobs.job import Job, Running
from ray_jobs.records import PlannedInstance, StudyOutcome
from ray_jobs.spot_check import Spot, SpotChecks, Word
from ray_jobs.window import Ended, finished

log = structlog.get_logger()

PAGE = 100  # studies planned at a time
MOST_AGAIN = 1000  # studies that a run tries a second time: it holds no more in memory
SERVICE_PATIENCE_S = 30.0  # how long a service may be away before the run gives up

Checks = SpotChecks[PlannedInstance]


class _Waiting(NamedTuple):
    study: PlannedStudy
    arranged: Arranged
    attempt: int  # which one it is, from 1


def screen_pending(job: Job, run: Running) -> None:
    """Screen what this release has not.

    Raises `ServiceLost` when S3 or Triton is gone for good; what is done stands.
    """
    while in_transaction(job.engine, lambda s: plan.close_unscorable(s, run.id)):
        run.alive()
    waiting = in_transaction(job.engine, lambda s: plan.remaining(s, run.id))
    if job.limit is not None:
        waiting = min(waiting, job.limit)
    run.progress.to_screen(waiting)
    if not waiting:
        return
    prove_triton(job, patience_s=10.0)
    run.start_ray()
    # What failed for a reason that may pass is tried once more, when all else is done.
    checks: Checks = SpotChecks(lambda instance: _decoded_twice(job, run, instance))
    again = list(_pass(job, run, _pending(job, run), checks, again=MOST_AGAIN))
    list(_pass(job, run, again, checks, again=0))


def _pending(job: Job, run: Running) -> Iterator[PlannedStudy]:
    """The studies to screen, in order, a page in memory at a time.

    Those that may still be arriving come last; the end of the run waits for none of them.
    """
    return islice(
        chain(_page_by_page(job, run, arriving=False), _page_by_page(job, run, arriving=True)),
        job.limit,
    )


def _page_by_page(job: Job, run: Running, *, arriving: bool) -> Iterator[PlannedStudy]:
    after = 0
    while page := in_transaction(
        job.engine,
        lambda s, after=after: plan.pending(  # type: ignore[misc]
            s, run.id, PAGE, after, arriving=arriving, settle_minutes=job.settle_minutes
        ),
    ):
        yield from page
        after = page[-1].id


def _pass(
    job: Job, run: Running, studies: Iterable[PlannedStudy], checks: Checks, *, again: int
) -> Iterator[PlannedStudy]:
    """Screen `studies`; yields up to `again` that are worth another try."""
    from ray_jobs.tasks import screen_study  # noqa: PLC0415 -- Ray only where there is work

    manifest = job.release.manifest
    task = screen_study.options(memory=job.study_memory_mb << 20)

    def submit(waiting: _Waiting) -> Any:
        return task.remote(
            waiting.arranged.plan, job.store, job.triton, manifest, job.study_memory_mb
        )

    def able() -> Iterator[_Waiting]:
        for study in studies:
            arranged = arrange(study, manifest)
            known = seen(arranged.plan)
            untrusted = checks.stopped(one for one in arranged.plan.instances if not one.seen)
            if untrusted:
                _record(job, run, stopped(study, arranged, untrusted, manifest))
            elif not arranged.plan.instances:
                why = NotScored.NOT_VALID_FOR_RELEASE
                _record(job, run, not_scored(study, why, manifest, arranged.settled))
            elif known:
                _say_deaths(study, known)
                _record(job, run, result_of(study, known, arranged, manifest))
            else:
                # Counted before it is handed out: a study that kills us too is tried a bounded
                # number of times (guarantee 2).
                attempt = in_transaction(
                    job.engine,
                    lambda s, study=study: plan.count_attempt(s, run.id, study),  # type: ignore[misc]
                )
                if attempt:
                    yield _Waiting(study, arranged, attempt)

    for ended in finished(able(), submit, run.window, run.patience_s, run.alive):
        outcome = _outcome(ended)
        study, arranged, attempt = ended.item
        _say_deaths(study, outcome)
        left = MAX_ATTEMPTS - attempt
        for stage, seconds in outcome.seconds.items():
            run.spent(stage, seconds)
        run.triton += outcome.triton
        if outcome.lost:
            _wait_for_services(job, run, outcome.lost)
        why = outcome.not_scored
        if why and not why.final and not ended.overdue and again > 0 and left > 0:
            again -= 1
            yield study
            continue
        if why:
            log.info("study_not_scored", study=study.pseudonym, reason=why.value)
        _record(job, run, result_of(study, outcome, arranged, manifest))
    run.beat()


def _say_deaths(study: PlannedStudy, outcome: StudyOutcome) -> None:
    """Name the study of each image that the decoder's child died of, or was too slow for."""
    for how in (outcome.died, *(item.died for item in outcome.instances)):
        if how:
            log.warning("decoding_failed", study=study.pseudonym, how=how)


def _decoded_twice(job: Job, run: Running, instance: PlannedInstance) -> Spot:
    """A spot check in a worker; one that dies, or takes too long, has no word."""
    from ray_jobs.tasks import spot_check  # noqa: PLC0415 -- Ray only where there is work

    task = spot_check.options(memory=job.study_memory_mb << 20)
    (ended,) = finished(
        [instance],
        lambda one: task.remote(one, job.store),
        limit=1,
        timeout_s=run.patience_s,
        each_poll=run.alive,
    )
    return ended.value if isinstance(ended.value, Spot) else Spot(Word.UNREADABLE)


def _outcome(ended: Ended[_Waiting]) -> StudyOutcome:
    if ended.overdue:
        crumb = breadcrumbs.found(ended.item.study.study_uid)
        log.warning(
            "study_timed_out",
            study=ended.item.study.pseudonym,
            stage=crumb.stage if crumb else "start",
            peak_mb=crumb.peak_mb if crumb else None,
            hint="if its images are sound, raise NIGHTREAD_STUDY_TIMEOUT_S",
        )
        return StudyOutcome((), NotScored.TIMED_OUT)
    if isinstance(ended.value, RayTaskError):
        # Nothing about a study's data or the services gets here: this is a fault of ours.
        log.error("study_task_failed", study=ended.item.study.pseudonym, at=_place(ended.value))
        return StudyOutcome((), NotScored.WORKER_DIED)
    if isinstance(ended.value, RayError):
        crumb = breadcrumbs.found(ended.item.study.study_uid)
        log.error(
            "worker_died",
            study=ended.item.study.pseudonym,
            stage=crumb.stage if crumb else "start",
            peak_mb=crumb.peak_mb if crumb else None,
            hint="if memory was short, raise NIGHTREAD_STUDY_MEMORY_MB",
        )
        return StudyOutcome((), NotScored.WORKER_DIED)
    outcome: StudyOutcome = ended.value
    return outcome


def _place(error: RayTaskError) -> str:
    """Where a task failed, and with what: no message, which could quote a patient's data."""
    # Ray hands out a class of its own making, whose text alone holds the traceback.
    lines = re.findall(r'File "([^"]+)", line (\d+)', str(error))
    path, line = lines[-1] if lines else ("?", "?")
    return f"{type(error.cause).__name__} in {path}:{line}"


def _record(job: Job, run: Running, result: StudyResult) -> None:
    began = perf_counter()
    in_transaction(job.engine, lambda session: results.record(session, run.id, result))
    run.spent("write", perf_counter() - began)
    run.progress.screened()
    run.alive()


def prove_triton(job: Job, patience_s: float) -> None:
    """A canary through the ensemble; raises `InferenceLost` when none comes back in time."""
    client = TritonClient(job.triton, job.release.manifest)
    deadline = monotonic() + patience_s
    try:
        while True:
            try:
                client.prove()
            except InferenceLost:
                if monotonic() > deadline:
                    raise
                sleep(1.0)
            else:
                return
    finally:
        client.close()


def _wait_for_services(job: Job, run: Running, lost: str) -> None:
    """Go on when S3 and Triton are there again; raises `ServiceLost` when they are gone."""
    deadline = monotonic() + SERVICE_PATIENCE_S
    while True:
        run.alive()
        try:
            next(store.pages(job.store, job.prefix.bucket, job.prefix.key), None)
            prove_triton(job, patience_s=0.0)
        except ServiceLost as error:
            if monotonic() > deadline:
                raise type(error)(f"{error} (The first study that noticed said: {lost})") from None
            sleep(1.0)
        else:
            return
