"""What a run has to screen: the studies under its prefix of which its release has not spoken.

Nothing here loads all studies: `pending` walks them by id, a page at a time.
"""

from collections import Counter
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from db.scope import SEEN, scope
from mammo.codes import Level, NotScored
from mammo.members import Method, Place

MAX_ATTEMPTS = 3  # of a study that ends its worker or its time each time: then it is POISON
RETRIED = [reason.value for reason in NotScored if not reason.final]


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """An instance to be read, prepared and inferred."""

    id: int
    bucket: str
    key: str
    etag: str
    size: int  # bytes of the object
    member: str | None
    ordinal: int  # place in its object
    sop_instance_uid: str
    transfer_syntax: str | None
    laterality: str | None
    view: str | None
    reason: str  # by the header; a raw image may be the partner of an accepted one
    flags: tuple[str, ...]
    facts: dict[str, Any]
    place: Place | None = None  # of a member
    look: dict[str, Any] | None = None  # by this release, when its archive was read


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study to be screened. `fingerprint` goes back with its result."""

    id: int
    study_uid: str
    pseudonym: str
    fingerprint: str
    site: str
    study_date: date | None
    instances: tuple[PlannedInstance, ...]  # by UID: accepted ones, and raw ones beside them


# Under the prefix, and nothing current said of it as it is now.
OPEN = f"""
    FROM studies s
    LEFT JOIN results r ON r.study_id = s.id AND r.release = :release
        AND r.superseded_at IS NULL
    LEFT JOIN attempts a ON a.study_id = s.id AND a.release = :release
        AND a.fingerprint = s.fingerprint
    WHERE s.is_mammography
        AND (r.id IS NULL OR r.fingerprint <> s.fingerprint
            OR (r.reason = ANY(:retried) AND r.run_id <> :run))
        AND EXISTS (
            SELECT FROM instances i JOIN objects o ON o.id = i.object_id
            WHERE i.study_id = s.id AND o.indexed_at IS NOT NULL AND {SEEN}
        )
"""

PENDING = text(
    f"""
    SELECT s.id, s.study_uid, s.pseudonym, s.fingerprint, s.site, s.study_date
    {OPEN}
        AND s.id > :after AND s.unscorable IS NULL AND coalesce(a.count, 0) < :attempts
    ORDER BY s.id
    LIMIT :limit
    """
)

REMAINING = text(
    f"""
    SELECT count(*)
    {OPEN} AND s.unscorable IS NULL AND coalesce(a.count, 0) < :attempts
    """
)

INSTANCES = text(
    """
    SELECT i.study_id, i.id, o.bucket, o.key, o.etag, o.size, i.member, i.ordinal,
        i.sop_instance_uid, i.transfer_syntax, i.laterality, i.view, i.header_reason AS reason,
        i.flags, i.facts, i.member_method, i.member_offset, i.member_length, i.member_size,
        i.member_crc32, looks.seen AS look
    FROM instances i JOIN objects o ON o.id = i.object_id
    LEFT JOIN looks ON looks.instance_id = i.id AND looks.release = :release
        AND looks.laterality = i.laterality AND looks.view = i.view
    WHERE i.study_id = ANY(:studies) AND i.reason <> 'DUPLICATE_INSTANCE'
        AND (i.header_verdict = 'accepted' OR i.header_reason = 'INTENT_FOR_PROCESSING')
        AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    ORDER BY i.study_id, i.sop_instance_uid
    """
)

COUNT = text(
    """
    INSERT INTO attempts AS a (study_id, release, run_id, fingerprint, count)
    VALUES (:study, :release, :run, :fingerprint, 1)
    ON CONFLICT (study_id, release) DO UPDATE SET
        count = CASE WHEN a.fingerprint = excluded.fingerprint THEN a.count + 1 ELSE 1 END,
        run_id = excluded.run_id,
        fingerprint = excluded.fingerprint,
        last_started_at = now()
    RETURNING count
    """
)

UNSCORABLE = text(
    f"""
    SELECT s.id AS study, coalesce(s.unscorable, :poison) AS reason
    {OPEN} AND (s.unscorable IS NOT NULL OR a.count >= :attempts)
    ORDER BY s.id
    LIMIT :limit
    FOR NO KEY UPDATE OF s
    """
)

SUPERSEDE = text(
    """
    UPDATE results SET superseded_at = now()
    WHERE study_id = ANY(:studies) AND release = :release AND superseded_at IS NULL
    """
)

CLOSE = text(
    """
    WITH said AS (
        INSERT INTO results
            (study_id, release, run_id, fingerprint, content_digest, level, reason, code_version)
        SELECT s.id, runs.release, runs.id, s.fingerprint,
            encode(sha256(convert_to(c.reason, 'UTF8')), 'hex'), :level, c.reason,
            runs.code_version
        FROM unnest(cast(:studies AS bigint[]), cast(:reasons AS text[])) AS c (study, reason)
        JOIN studies s ON s.id = c.study
        JOIN runs ON runs.id = :run
        RETURNING id, study_id, level
    )
    INSERT INTO worklist (study_id, study_uid, site, level, result_id)
    SELECT s.id, s.study_uid, s.site, said.level, said.id
    FROM said JOIN studies s ON s.id = said.study_id
    ON CONFLICT (study_id) DO UPDATE SET
        level = excluded.level, probability = NULL, result_id = excluded.result_id
    """
)


def pending(
    session: Session, run: int, limit: int, after: int = 0, max_attempts: int = MAX_ATTEMPTS
) -> list[PlannedStudy]:
    """The next studies to screen, by id, with an id above `after`; empty: no more.

    Studies of this run's prefix without a current result of its release, or whose result was
    made from other instances, or could not be had by an earlier run for a reason that passes.
    """
    values = open_parameters(session, run, max_attempts)
    studies = session.execute(PENDING, values | {"after": after, "limit": limit}).mappings().all()
    instances: dict[int, list[PlannedInstance]] = {study["id"]: [] for study in studies}
    for row in session.execute(INSTANCES, values | {"studies": list(instances)}).mappings():
        found = dict(row) | {"flags": tuple(row["flags"]), "place": place_of(row)}
        known = {field.name: found[field.name] for field in fields(PlannedInstance)}
        instances[row["study_id"]].append(PlannedInstance(**known))
    return [PlannedStudy(**study, instances=tuple(instances[study["id"]])) for study in studies]


def place_of(row: RowMapping) -> Place | None:
    """Where a member lies, from the columns `member_…` of its row."""
    if row["member_method"] is None:
        return None
    return Place(
        Method(row["member_method"]),
        row["member_offset"],
        row["member_length"],
        row["member_size"],
        row["member_crc32"],
    )


def remaining(session: Session, run: int, max_attempts: int = MAX_ATTEMPTS) -> int:
    """How many studies `pending` would give in all."""
    values = open_parameters(session, run, max_attempts)
    count: int = session.execute(REMAINING, values).scalar_one()
    return count


def count_attempt(session: Session, run: int, study: PlannedStudy) -> int:
    """Count that `study` is handed out; commit before it is. Returns which attempt it is."""
    count: int = session.execute(
        COUNT,
        scope(session, run) | {"study": study.id, "fingerprint": study.fingerprint},
    ).scalar_one()
    return count


def close_unscorable(
    session: Session, run: int, limit: int = 500, max_attempts: int = MAX_ATTEMPTS
) -> dict[NotScored, int]:
    """Write the results of up to `limit` studies that need no look at a pixel; empty: no more.

    `MIXED_PATIENTS`, `ALL_QUARANTINED` and `NO_2D_IMAGE` by their headers; `POISON` those that
    were handed out `max_attempts` times without an answer.
    """
    where = open_parameters(session, run, max_attempts)
    rows = session.execute(
        UNSCORABLE, where | {"limit": limit, "poison": NotScored.POISON.value}
    ).all()
    if not rows:
        return {}
    values = where | {
        "studies": [row.study for row in rows],
        "reasons": [row.reason for row in rows],
        "level": Level.NOT_SCORED.value,
    }
    session.execute(SUPERSEDE, values)
    session.execute(CLOSE, values)
    return dict(Counter(NotScored[row.reason] for row in rows))


def open_parameters(session: Session, run: int, max_attempts: int) -> dict[str, Any]:
    """The parameters of `OPEN` and of the bound on attempts."""
    return scope(session, run) | {"attempts": max_attempts, "retried": RETRIED}
