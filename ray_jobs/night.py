"""The nightly job: index what lies under a prefix, then screen what this release has not."""

import contextlib
from contextlib import ExitStack

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db import runs, sites
from db.lock import run_lock
from db.ranking import age, rerank
from db.session import in_transaction
from db.summary import Summary, summary
from ray_jobs.archives import look_again, read_archives
from ray_jobs.indexing import index_prefix
from ray_jobs.job import Job, Progress, Running
from ray_jobs.screening import screen_pending

log = structlog.get_logger()


def screen_night(job: Job, progress: Progress) -> tuple[runs.Run, Summary]:
    """One run over `job.prefix`; returns it and its summary, computed by the database.

    Raises `db.lock.RunLocked` when another run holds the prefix and release, `SiteError` when a
    site's row says what nobody can act on, `ServiceLost` when S3 or Triton is gone, `OperationalError` when Postgres is. Whatever it raises, what
    is done stands, the run is marked `interrupted`, and the next one goes on.
    """
    release = job.release
    with run_lock(job.engine, job.prefix, release.digest) as lock, ExitStack() as resources:
        known = in_transaction(job.engine, sites.load)
        run = in_transaction(job.engine, lambda session: _begin(session, job))
        running = Running(job, run.id, lock, progress, resources, known)
        log.info("run_started", run=run.id, release=release.digest)
        try:
            rerank(job.engine)  # where a promotion was interrupted
            age(job.engine)
            read_archives(job, running, index_prefix(job, running))
            look_again(job, running)
            screen_pending(job, running)
        except BaseException as error:
            _say_triton(running)
            log.info("run_interrupted", run=run.id, by=type(error).__name__)
            with contextlib.suppress(SQLAlchemyError):  # Postgres may be what is gone
                running.beat()
                in_transaction(job.engine, lambda s: runs.finish(s, run.id, "interrupted"))
            raise
        running.beat()
        in_transaction(job.engine, lambda s: runs.finish(s, run.id, "finished"))
        counted = in_transaction(job.engine, lambda s: summary(s, run.id))
    _say_triton(running)
    log.info("run_finished", run=run.id, **_counts(counted))
    return run, counted


def _begin(session: Session, job: Job) -> runs.Run:
    manifest = job.release.manifest
    runs.register_release(
        session, job.release.digest, manifest.name, manifest.model_dump(mode="json")
    )
    return runs.start(session, job.prefix, job.release.digest, job.code_version, job.who)


def _say_triton(run: Running) -> None:
    """How it went with Triton, for whoever asks why a night was slow."""
    asked = run.triton
    log.info(
        "triton_asked",
        run=run.id,
        requests=asked.requests,
        shared=asked.shared,
        retries=asked.retries,
        ejections=asked.ejections,
        failures=asked.failures,
        mean_s=round(asked.seconds / max(1, asked.answers), 3),
        slowest_s=round(asked.slowest_s, 3),
    )


def _counts(counted: Summary) -> dict[str, int]:
    return {
        "objects": counted.listed,
        "screened": counted.screened_now,
        "scored": counted.scored,
        "not_scored": counted.not_scored,
    }
