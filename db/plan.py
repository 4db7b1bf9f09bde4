"""What a run has to screen: the studies under its prefix of which its release has not spoken.

Nothing here loads all studies: `pending` walks them by id, a page at a time.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from db.ranking import show
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
    # Other objects of the same instances, of which only reading them tells whether they hold
    # the same bytes.
    copies: tuple[PlannedInstance, ...] = ()


# Under the prefix, and nothing current said of it as it is now.
OPEN = """
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
            WHERE i.study_id = s.id AND o.indexed_at IS NOT NULL AND {seen}
        )
""".replace("{seen}", SEEN)

# When the run began, the study's newest object was younger than the settling time.
UNSETTLED = """
    coalesce(
        s.newest_at > (SELECT started_at FROM runs WHERE id = :run) - make_interval(
            mins => coalesce(
                (SELECT cast(settings ->> 'settle_minutes' AS int) FROM sites WHERE name = s.site),
                :settle_minutes
            )
        ),
        false
    )
"""

PENDING = text(
    """
    SELECT s.id, s.study_uid, s.pseudonym, s.fingerprint, s.site, s.study_date
    {open}
        AND s.id > :after AND s.unscorable IS NULL AND coalesce(a.count, 0) < :attempts
        AND (cast(:arriving AS boolean) IS NULL OR :arriving = {unsettled})
    ORDER BY s.id
    LIMIT :limit
    """.replace("{open}", OPEN).replace("{unsettled}", UNSETTLED)
)

REMAINING = text(
    """
    SELECT count(*)
    {open} AND s.unscorable IS NULL AND coalesce(a.count, 0) < :attempts
    """.replace("{open}", OPEN)
)

# Of the studies' instances `i` in objects `o`, those to be looked at: what is taken, and copies of
# which only reading them tells, once, whether they hold the same bytes. The same etag, size and
# place in the object: the same bytes.
WANTED = """
    (i.header_verdict = 'accepted' OR i.header_reason = 'INTENT_FOR_PROCESSING')
    AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    AND (i.reason <> 'DUPLICATE_INSTANCE' OR EXISTS (
        SELECT FROM instances taken JOIN objects t ON t.id = taken.object_id
        WHERE taken.study_id = i.study_id AND taken.sop_instance_uid = i.sop_instance_uid
            AND (taken.header_verdict = 'accepted'
                OR taken.header_reason = 'INTENT_FOR_PROCESSING')
            AND taken.reason <> 'DUPLICATE_INSTANCE'
            AND t.gone_at IS NULL AND t.indexed_at IS NOT NULL
            AND (t.etag, t.size, taken.ordinal) <> (o.etag, o.size, i.ordinal)
            AND (taken.sha256 = i.sha256) IS NOT TRUE
    ))
"""

# What this release saw of the instance `i` when its archive was read.
LOOKED_AT = """
    LEFT JOIN looks ON looks.instance_id = i.id AND looks.release = :release
        AND looks.laterality = i.laterality AND looks.view = i.view
"""

INSTANCES = text(
    """
    SELECT i.study_id, i.id, o.bucket, o.key, o.etag, o.size, i.member, i.ordinal,
        i.sop_instance_uid, i.transfer_syntax, i.laterality, i.view, i.header_reason AS reason,
        i.flags, i.facts, i.member_method, i.member_offset, i.member_length, i.member_size,
        i.member_crc32, looks.seen AS look, i.reason = 'DUPLICATE_INSTANCE' AS is_copy
    FROM instances i JOIN objects o ON o.id = i.object_id
    {looked_at}
    WHERE i.study_id = ANY(:studies) AND {wanted}
    ORDER BY i.study_id, i.sop_instance_uid, o.bucket, o.key, i.ordinal
    """.replace("{looked_at}", LOOKED_AT).replace("{wanted}", WANTED)
)

COUNT = text(
    """
    INSERT INTO attempts AS a (study_id, release, run_id, fingerprint, count)
    SELECT id, :release, :run, :fingerprint, 1 FROM studies WHERE id = :study FOR KEY SHARE
    ON CONFLICT (study_id, release) DO UPDATE SET
        count = CASE WHEN a.fingerprint = excluded.fingerprint THEN a.count + 1 ELSE 1 END,
        run_id = excluded.run_id,
        fingerprint = excluded.fingerprint,
        last_started_at = now()
    RETURNING count
    """
)

UNSCORABLE = text(
    """
    SELECT s.id AS study, coalesce(s.unscorable, :poison) AS reason
    {open} AND (s.unscorable IS NOT NULL OR a.count >= :attempts)
    ORDER BY s.id
    LIMIT :limit
    FOR NO KEY UPDATE OF s
    """.replace("{open}", OPEN)
)

SUPERSEDE = text(
    """
    UPDATE results SET superseded_at = now()
    WHERE study_id = ANY(:studies) AND release = :release AND superseded_at IS NULL
    """
)

CLOSE = text(
    """
    INSERT INTO results
        (study_id, release, run_id, fingerprint, content_digest, level, reason, code_version)
    SELECT s.id, runs.release, runs.id, s.fingerprint,
        encode(sha256(convert_to(c.reason, 'UTF8')), 'hex'), :level, c.reason,
        runs.code_version
    FROM unnest(cast(:studies AS bigint[]), cast(:reasons AS text[])) AS c (study, reason)
    JOIN studies s ON s.id = c.study
    JOIN runs ON runs.id = :run
    """
)


def pending(
    session: Session,
    run: int,
    limit: int,
    after: int = 0,
    max_attempts: int = MAX_ATTEMPTS,
    *,
    arriving: bool | None = None,
    settle_minutes: int = 0,
) -> list[PlannedStudy]:
    """The next studies to screen, by id, with an id above `after`; empty: no more.

    Studies of this run's prefix without a current result of its release, or whose result was
    made from other instances, or could not be had by an earlier run for a reason that passes.

    `arriving`: only those whose newest object was younger than `settle_minutes` (or their site's
    own) when the run began, or only the others; None: all.
    """
    values = open_parameters(session, run, max_attempts) | {
        "after": after,
        "limit": limit,
        "arriving": arriving,
        "settle_minutes": settle_minutes,
    }
    studies = session.execute(PENDING, values).mappings().all()
    instances: dict[tuple[int, bool], list[PlannedInstance]] = defaultdict(list)
    ids = [study["id"] for study in studies]
    for row in session.execute(INSTANCES, values | {"studies": ids}).mappings():
        found = dict(row) | {"flags": tuple(row["flags"]), "place": place_of(row)}
        known = {field.name: found[field.name] for field in fields(PlannedInstance)}
        instances[row["study_id"], row["is_copy"]].append(PlannedInstance(**known))
    return [
        PlannedStudy(
            **study,
            instances=tuple(instances[study["id"], False]),
            copies=tuple(instances[study["id"], True]),
        )
        for study in studies
    ]


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
    """Count that `study` is handed out; commit before it is.

    Returns which attempt it is; 0: the study was erased, and is not to be handed out.
    """
    count: int | None = session.execute(
        COUNT,
        scope(session, run) | {"study": study.id, "fingerprint": study.fingerprint},
    ).scalar_one_or_none()
    return count or 0


def close_unscorable(
    session: Session, run: int, limit: int = 500, max_attempts: int = MAX_ATTEMPTS
) -> dict[NotScored, int]:
    """Write the results of up to `limit` studies that need no look at a pixel; empty: no more.

    `MIXED_PATIENTS`, `CONFLICTING_INSTANCES`, `ALL_QUARANTINED` and `NO_2D_IMAGE` by what is known
    of their instances; `POISON` those that were handed out `max_attempts` times without an answer.
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
    show(session, values["studies"])
    return dict(Counter(NotScored[row.reason] for row in rows))


def open_parameters(session: Session, run: int, max_attempts: int) -> dict[str, Any]:
    """The parameters of `OPEN` and of the bound on attempts."""
    return scope(session, run) | {"attempts": max_attempts, "retried": RETRIED}
