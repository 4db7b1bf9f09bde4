"""What was seen of members of compressed archives while these were read."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.index import ObjectRef
from db.plan import LOOKED_AT, MAX_ATTEMPTS, OPEN, UNSETTLED, WANTED, open_parameters
from db.text import storable_json
from mammo.members import STREAMED


class Look(NamedTuple):
    """What one release saw of one member."""

    ordinal: int  # of the member in its object
    laterality: str
    view: str
    seen: dict[str, Any]  # JSON-able


class Unseen(NamedTuple):
    """A compressed archive with members that are wanted and were not looked at."""

    object: ObjectRef
    kind: str  # gzip or zstd
    ordinals: frozenset[int]


KEEP = text(
    """
    INSERT INTO looks (instance_id, release, laterality, view, seen)
    SELECT i.id, runs.release, new.laterality, new.view, new.seen
    FROM unnest(cast(:ordinals AS bigint[]), cast(:lateralities AS text[]),
            cast(:views AS text[]), cast(:seen AS jsonb[])) AS new (ordinal, laterality, view, seen)
    JOIN instances i ON i.object_id = :object AND i.ordinal = new.ordinal
        AND i.study_id IS NOT NULL -- what was erased belongs to none
    JOIN runs ON runs.id = :run
    ON CONFLICT (instance_id, release) DO UPDATE SET
        laterality = excluded.laterality, view = excluded.view, seen = excluded.seen
    """
)

# Of the first studies in the order in which they are screened: settled ones first.
UNSEEN = text(
    """
    SELECT o.id, o.bucket, o.key, o.etag, o.size, min(i.member_method) AS kind,
        array_agg(i.ordinal) AS ordinals
    FROM (
        SELECT s.id {open} AND s.unscorable IS NULL AND coalesce(a.count, 0) < :attempts
        ORDER BY {unsettled}, s.id LIMIT :limit
    ) open
    JOIN instances i ON i.study_id = open.id
    JOIN objects o ON o.id = i.object_id
    {looked_at}
    WHERE i.member_method = ANY(:streamed) AND looks.instance_id IS NULL
        AND i.header_verdict = 'accepted' AND {wanted}
        AND i.laterality IS NOT NULL AND i.view IS NOT NULL
        AND coalesce(i.facts ->> 'source_kind', 'unknown') = ANY(:kinds)
    GROUP BY o.id
    ORDER BY o.id
    """.replace("{open}", OPEN)
    .replace("{unsettled}", UNSETTLED)
    .replace("{looked_at}", LOOKED_AT)
    .replace("{wanted}", WANTED)
)


def keep(session: Session, run: int, object_id: int, looks: Sequence[Look]) -> None:
    """Keep what `run`'s release saw of members of one object, in place of what it saw before."""
    if looks:
        session.execute(
            KEEP,
            {
                "run": run,
                "object": object_id,
                "ordinals": [look.ordinal for look in looks],
                "lateralities": [look.laterality for look in looks],
                "views": [look.view for look in looks],
                "seen": [json.dumps(storable_json(look.seen)) for look in looks],
            },
        )


def unseen(
    session: Session,
    run: int,
    kinds: Collection[str],
    limit: int | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    *,
    settle_minutes: int = 0,
) -> list[Unseen]:
    """The compressed archives that hold images of the studies to screen, of source `kinds`.

    limit: of the first so many studies, as they are screened: those that `plan.pending` gives as
    settled first; None: of all.
    """
    values = open_parameters(session, run, max_attempts)
    rows = session.execute(
        UNSEEN,
        values
        | {
            "limit": limit,
            "settle_minutes": settle_minutes,
            "kinds": sorted(kinds),
            "streamed": sorted(method.value for method in STREAMED),
        },
    )
    return [
        Unseen(
            ObjectRef(row.id, row.bucket, row.key, row.etag, row.size),
            row.kind,
            frozenset(row.ordinals),
        )
        for row in rows
    ]
