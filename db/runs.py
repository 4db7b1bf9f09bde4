"""The runs of the job: when they began, how they ended, what they took."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import Function, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import schema
from db.summary import Summary, summary

State = Literal["running", "interrupted", "failed", "finished"]


IN_FLIGHT = """
    run_id = :run
    AND EXISTS (SELECT FROM runs WHERE id = :run AND state = 'running')
    AND NOT EXISTS (SELECT FROM results r WHERE r.run_id = :run AND r.study_id = a.study_id)
"""
IN_FLIGHT_ONCE = text(
    "DELETE FROM attempts a WHERE count = 1 AND {in_flight}".replace("{in_flight}", IN_FLIGHT)
)
IN_FLIGHT_AGAIN = text(
    "UPDATE attempts a SET count = count - 1 WHERE {in_flight}".replace("{in_flight}", IN_FLIGHT)
)


class Prefix(NamedTuple):
    """A part of the archive; `s3://bucket/key`."""

    bucket: str
    key: str  # what keys begin with; empty: the whole bucket


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the job."""

    id: int
    prefix: Prefix
    release: str
    state: State
    who: str
    code_version: str
    seconds: dict[str, float]  # by stage
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None


def register_release(session: Session, digest: str, name: str, manifest: dict[str, Any]) -> None:
    """Make a release known, by the SHA-256 of its manifest; nothing happens if it is."""
    session.execute(
        insert(schema.Release)
        .values(digest=digest, name=name, manifest=manifest)
        .on_conflict_do_nothing()
    )


def release_named(session: Session, name: str) -> str | None:
    """The digest of a release by its name, the newest of that name, or by its digest."""
    return session.scalars(
        select(schema.Release.digest)
        .where((schema.Release.name == name) | (schema.Release.digest == name))
        .order_by(schema.Release.registered_at.desc())
        .limit(1)
    ).one_or_none()


def start(session: Session, prefix: Prefix, release: str, code_version: str, who: str) -> Run:
    """Begin a run, under its `run_lock`; one that died without a word becomes `interrupted`."""
    for died in session.scalars(
        select(schema.Run).where(
            schema.Run.bucket == prefix.bucket,
            schema.Run.prefix == prefix.key,
            schema.Run.release == release,
            schema.Run.state == "running",
        )
    ).all():
        lived = (died.heartbeat_at - died.started_at).total_seconds()
        kept = replace(summary(session, died.id), seconds_total=lived)
        _end(session, died.id, "interrupted", died.heartbeat_at, kept)
    run = schema.Run(
        bucket=prefix.bucket, prefix=prefix.key, release=release, who=who, code_version=code_version
    )
    session.add(run)
    session.flush()
    session.refresh(run)
    return _record(run)


def heartbeat(
    session: Session,
    run: int,
    seconds: Mapping[str, float],
    header_bytes_read: int = 0,
    header_bytes_needed: int = 0,
) -> None:
    """Say that the run lives, and what each stage took so far (totals, so safe to repeat)."""
    session.execute(
        update(schema.Run)
        .where(schema.Run.id == run, schema.Run.state == "running")
        .values(
            heartbeat_at=func.clock_timestamp(),
            seconds=dict(seconds),
            header_bytes_read=header_bytes_read,
            header_bytes_needed=header_bytes_needed,
        )
    )


def finish(session: Session, run: int, state: Literal["interrupted", "failed", "finished"]) -> None:
    """End the run and keep its summary: later runs move what it is computed from.

    A run that lives to say that it ends was not killed by the studies that it still had in
    flight: that they were handed out no longer counts. Nothing happens to a run that has ended.
    """
    session.execute(IN_FLIGHT_ONCE, {"run": run})
    session.execute(IN_FLIGHT_AGAIN, {"run": run})
    _end(session, run, state, func.now(), summary(session, run))


def get(session: Session, run: int) -> Run | None:
    found = session.get(schema.Run, run)
    return None if found is None else _record(found)


def latest(
    session: Session, prefix: Prefix | None = None, release: str | None = None
) -> Run | None:
    """The run that began last: of this prefix, by this release, if they are given."""
    query = select(schema.Run).order_by(schema.Run.id.desc()).limit(1)
    if prefix is not None:
        query = query.where(schema.Run.bucket == prefix.bucket, schema.Run.prefix == prefix.key)
    if release is not None:
        query = query.where(schema.Run.release == release)
    found = session.scalars(query).one_or_none()
    return None if found is None else _record(found)


def _record(run: schema.Run) -> Run:
    return Run(
        id=run.id,
        prefix=Prefix(run.bucket, run.prefix),
        release=run.release,
        state=cast("State", run.state),
        who=run.who,
        code_version=run.code_version,
        seconds=run.seconds,
        started_at=run.started_at,
        heartbeat_at=run.heartbeat_at,
        finished_at=run.finished_at,
    )


def _end(
    session: Session,
    run: int,
    state: State,
    when: datetime | Function[datetime],
    kept: Summary,
) -> None:
    session.execute(
        update(schema.Run)
        .where(schema.Run.id == run, schema.Run.state == "running")
        .values(state=state, finished_at=when, summary=asdict(kept))
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
