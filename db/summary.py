"""What became of everything that a run saw, counted in the database (guarantee 1).

A run's objects are those under its prefix that it or a later run listed. One that was listed
and not read, because the run still goes on or was interrupted, is counted as `READ_FAILED`:
the next run reads it. A study counts if such an object, read, holds an instance of it. Once a
run has ended its summary is kept as it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import schema
from db.scope import SEEN, scope
from mammo.codes import Reason

STAGES = ("list", "fetch", "decode", "prepare", "infer", "write")


@dataclass(frozen=True, slots=True)
class Summary:
    """The counters of a run; objects, instances and studies each add up.

    listed = with_instances + without_instance; indexed = accepted + excluded + quarantined;
    the sum of `reasons` = indexed + without_instance; known = scored + not_scored + pending.
    """

    listed: int
    with_instances: int
    without_instance: int
    unread: int  # of without_instance: not read yet
    indexed: int
    accepted: int
    excluded: int
    quarantined: int
    reasons: dict[str, int]  # of instances, and of objects without one
    known: int
    screened_now: int  # their current result was written by this run
    already_current: int  # their current result was written before
    scored: int
    not_scored: int
    pending: int  # no result, or one from before the study changed
    not_mammography: int
    not_scored_reasons: dict[str, int]
    seconds_total: float
    seconds_by_stage: dict[str, float]
    header_bytes_read: int = 0  # of new and changed objects, to index them
    header_bytes_needed: int = 0  # of these, up to Pixel Data

    @property
    def studies_per_minute(self) -> float:
        return 60 * self.screened_now / self.seconds_total if self.seconds_total > 0 else 0.0


OBJECTS = text(
    """
    SELECT count(*) AS listed,
        count(*) FILTER (WHERE o.instance_count > 0) AS with_instances,
        count(*) FILTER (WHERE o.instance_count = 0) AS without_instance,
        count(*) FILTER (WHERE o.indexed_at IS NULL) AS unread
    FROM objects o WHERE {seen}
    """.replace("{seen}", SEEN)
)

REASONS = text(
    """
    SELECT coalesce(o.reason, :unread) AS reason, count(*) AS number
    FROM objects o WHERE {seen} AND o.instance_count = 0
    GROUP BY 1
    """.replace("{seen}", SEEN)
)

INSTANCES = text(
    """
    SELECT i.verdict, i.reason, count(*) AS number
    FROM objects o JOIN instances i ON i.object_id = o.id
    WHERE {seen} AND o.indexed_at IS NOT NULL
    GROUP BY 1, 2
    """.replace("{seen}", SEEN)
)

STUDIES = text(
    """
    WITH touched AS (
        SELECT DISTINCT i.study_id AS id
        FROM objects o JOIN instances i ON i.object_id = o.id
        WHERE {seen} AND o.indexed_at IS NOT NULL AND i.study_id IS NOT NULL
    )
    SELECT s.is_mammography,
        CASE WHEN r.id IS NULL THEN 'pending'
            WHEN r.reason IS NULL THEN 'scored'
            ELSE 'not_scored' END AS state,
        r.reason,
        coalesce(r.run_id = :run, false) AS now,
        count(*) AS number
    FROM touched
    JOIN studies s USING (id)
    LEFT JOIN results r ON r.study_id = s.id AND r.release = :release
        AND r.superseded_at IS NULL AND r.fingerprint = s.fingerprint
    GROUP BY 1, 2, 3, 4
    """.replace("{seen}", SEEN)
)

SPENT = text(
    """
    SELECT extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8,
        seconds, header_bytes_read, header_bytes_needed
    FROM runs WHERE id = :run
    """
)


def summary(session: Session, run: int) -> Summary:
    """The counters of `run`: as kept when it ended, or as they are now.

    Raises `LookupError` when there is no such run.
    """
    found = session.get(schema.Run, run)
    if found is None:
        raise LookupError(f"there is no run {run}")
    if found.summary is not None:
        known = {field.name for field in fields(Summary)}
        return Summary(**{name: value for name, value in found.summary.items() if name in known})
    return _count(session, run)


def _count(session: Session, run: int) -> Summary:
    where = scope(session, run)
    objects = session.execute(OBJECTS, where).mappings().one()
    without = session.execute(REASONS, where | {"unread": Reason.READ_FAILED.value}).all()
    instances = session.execute(INSTANCES, where).all()
    studies = session.execute(STUDIES, where).all()
    known = [row for row in studies if row.is_mammography]
    verdicts = _sums((row.verdict, row.number) for row in instances)
    states = _sums((row.state, row.number) for row in known)
    total, stages, read, needed = session.execute(SPENT, {"run": run}).one()
    return Summary(
        **objects,
        indexed=sum(verdicts.values()),
        accepted=verdicts.get("accepted", 0),
        excluded=verdicts.get("excluded", 0),
        quarantined=verdicts.get("quarantined", 0),
        reasons=_sums((row.reason, row.number) for row in [*instances, *without]),
        known=sum(states.values()),
        screened_now=sum(row.number for row in known if row.now),
        already_current=sum(row.number for row in known if not row.now and row.state != "pending"),
        scored=states.get("scored", 0),
        not_scored=states.get("not_scored", 0),
        pending=states.get("pending", 0),
        not_mammography=sum(row.number for row in studies if not row.is_mammography),
        not_scored_reasons=_sums((row.reason, row.number) for row in known if row.reason),
        seconds_total=total,
        seconds_by_stage={stage: float(stages.get(stage, 0.0)) for stage in STAGES},
        header_bytes_read=read,
        header_bytes_needed=needed,
    )


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Counts by name, names in order."""
    sums: dict[str, int] = {}
    for name, count in pairs:
        sums[name] = sums.get(name, 0) + count
    return dict(sorted(sums.items()))
