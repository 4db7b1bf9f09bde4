"""What was erased stays erased: keyed stubs that keep the archive from bringing it back.

An erased study's objects may still lie in the archive. Their rows stay, so that every object is
accounted for; but of a key, which often holds a name, only a pseudonym is left, below the prefix of
a run that listed it. A listing finds them by that, and they are never read again.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from db.scope import scope
from mammo.codes import RETRIED_OBJECT_REASONS, Reason
from mammo.pseudonym import Pseudonyms

# Whoever writes what objects hold shares it; whoever erases has it alone, for some tens of
# milliseconds: nothing is written of a study after it was looked up and before it is gone.
SHARE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('erasure', 0))")

STUBS = text(
    """
    SELECT pseudonym, max(erased_on) AS erased_on FROM erased
    WHERE pseudonym = ANY(:asked) GROUP BY pseudonym
    """
)
HIDDEN = text("SELECT id FROM objects WHERE id = ANY(:objects) AND erased IS NOT NULL")
ANY_HIDDEN = text(
    "SELECT EXISTS (SELECT FROM objects WHERE bucket = :bucket AND erased IS NOT NULL)"
)

# The row stands below the longest prefix of a run that listed it: runs count by prefix.
SEEN_AGAIN = text(
    """
    UPDATE objects o SET
        last_seen_run = greatest(o.last_seen_run, :run),
        gone_at = NULL,
        key = CASE WHEN length(:prefix) > length(o.key) - length(o.erased)
            THEN :prefix || o.erased ELSE o.key END
    WHERE o.id IN (
        SELECT id FROM objects WHERE bucket = :bucket AND erased = ANY(:pseudonyms)
        ORDER BY id FOR UPDATE
    )
    RETURNING o.erased
    """
)

# Read to their end, and nothing is in them that is not of erased studies, but what belongs to none.
TO_HIDE = text(
    """
    SELECT o.id, o.bucket, o.key, runs.prefix
    FROM objects o JOIN runs ON runs.id = o.last_seen_run
    WHERE o.id = ANY(:objects) AND o.erased IS NULL AND o.indexed_at IS NOT NULL
        AND EXISTS (SELECT FROM instances i WHERE i.object_id = o.id AND i.reason = :reason)
        AND NOT EXISTS (SELECT FROM instances i WHERE i.object_id = o.id AND i.study_id IS NOT NULL)
    ORDER BY o.id
    """
)
# Where the objects lie: a folder below what a run was asked for, which says nothing of anybody.
FOLDERS = text(
    """
    SELECT DISTINCT o.bucket, regexp_replace(o.key, '[^/]*$', '') AS folder
    FROM objects o JOIN runs ON runs.id = o.last_seen_run
    WHERE o.id = ANY(:objects) AND o.erased IS NULL
        AND length(regexp_replace(o.key, '[^/]*$', '')) > length(runs.prefix)
    """
)
# Files beside them that no study can be read from, where no other study lies.
BESIDE = text(
    """
    SELECT o.id, o.bucket, o.key, runs.prefix
    FROM objects o JOIN runs ON runs.id = o.last_seen_run
    WHERE o.bucket = :bucket AND starts_with(o.key, :folder) AND o.erased IS NULL
        AND o.instance_count = 0 AND o.reason <> ALL(:retried)
        AND NOT EXISTS (
            SELECT FROM objects n JOIN instances i ON i.object_id = n.id
            WHERE n.bucket = :bucket AND starts_with(n.key, :folder) AND i.study_id IS NOT NULL
        )
    ORDER BY o.id
    """
)
HIDE = text(
    """
    UPDATE objects SET key = new.prefix || new.pseudonym, erased = new.pseudonym,
        etag = '', size = 0, modified_at = NULL
    FROM unnest(
        cast(:objects AS bigint[]), cast(:prefixes AS text[]), cast(:pseudonyms AS text[])
    ) AS new (id, prefix, pseudonym)
    WHERE objects.id = new.id
    """
)
HIDE_MEMBERS = text(
    "UPDATE instances SET member = NULL WHERE object_id = ANY(:objects) AND member IS NOT NULL"
)


class Whose(NamedTuple):
    """What an image says of whose it is, in pseudonyms."""

    study: str | None
    patient: str | None
    study_date: date | None


class Folder(NamedTuple):
    """The beginning of keys, up to a slash."""

    bucket: str
    folder: str


def stopped(session: Session, asked: Iterable[Whose]) -> set[Whose]:
    """Those of which nothing may be kept: their study was erased, or all of their patient then.

    A patient's later exam is a new one, and so is one that says no date: no case is hidden.
    Whoever is asked for stays so until the transaction ends: nothing is erased meanwhile.
    """
    session.execute(SHARE)
    whose = set(asked)
    pseudonyms = {name for one in whose for name in (one.study, one.patient) if name is not None}
    if not pseudonyms:
        return set()
    rows = session.execute(STUBS, {"asked": sorted(pseudonyms)})
    stubs = {row.pseudonym: row.erased_on for row in rows}
    return {one for one in whose if _is_stopped(one, stubs)}


def _is_stopped(one: Whose, stubs: dict[str, date]) -> bool:
    if one.study in stubs:
        return True
    erased_on = stubs.get(one.patient or "")
    return erased_on is not None and one.study_date is not None and one.study_date <= erased_on


def hidden(session: Session, objects: Collection[int]) -> set[int]:
    """Of these objects, those of erased studies: what was read of them meanwhile is dropped."""
    return set(session.scalars(HIDDEN, {"objects": sorted(objects)}))


def unhidden(
    session: Session, run: int, bucket: str, keys: Sequence[str], pseudonyms: Pseudonyms
) -> set[str]:
    """Of the keys of a listing, those that are not of erased studies; the others are noted as seen."""
    if not session.execute(ANY_HIDDEN, {"bucket": bucket}).scalar_one():
        return set(keys)
    names = {pseudonyms.object(bucket, key): key for key in keys}
    seen = session.scalars(SEEN_AGAIN, scope(session, run) | {"pseudonyms": sorted(names)})
    return set(keys) - {names[name] for name in seen if name is not None}


def hide(session: Session, objects: Collection[int], pseudonyms: Pseudonyms) -> int:
    """Take the keys away from those of `objects` that hold erased studies alone; returns how many."""
    where = {"objects": sorted(objects), "reason": Reason.ERASED.value}
    return _hide(session, session.execute(TO_HIDE, where).all(), pseudonyms)


def folders(session: Session, objects: Collection[int]) -> list[Folder]:
    """Where `objects` lie, each with all below it; none that a whole run is over."""
    return [Folder(*row) for row in session.execute(FOLDERS, {"objects": sorted(objects)})]


def hide_beside(session: Session, lay_in: Iterable[Folder], pseudonyms: Pseudonyms) -> int:
    """Take the keys away from what could not be read there, where nothing else is; how many."""
    retried = sorted(reason.value for reason in RETRIED_OBJECT_REASONS)
    return sum(
        _hide(
            session,
            session.execute(BESIDE, folder._asdict() | {"retried": retried}).all(),
            pseudonyms,
        )
        for folder in lay_in
    )


def _hide(session: Session, rows: Sequence[Row[Any]], pseudonyms: Pseudonyms) -> int:
    if rows:
        ids = [row.id for row in rows]
        session.execute(
            HIDE,
            {
                "objects": ids,
                "prefixes": [row.prefix for row in rows],
                "pseudonyms": [pseudonyms.object(row.bucket, row.key) for row in rows],
            },
        )
        session.execute(HIDE_MEMBERS, {"objects": ids})
    return len(rows)
