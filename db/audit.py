"""Who saw or did what: entries are added, never changed, and each holds the one before.

The trigger chains the entries of a person: an entry's digest is of all that it says and of the
digest before it. That one in between was changed or taken away shows; that the last ones were
taken away, only against a copy that lies elsewhere.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# Without RETURNING this needs the right to INSERT and no other.
NOTE = text(
    """
    INSERT INTO audit (who, action, study_id, detail)
    VALUES (:who, :action, :study, CAST(:detail AS jsonb))
    """
)

BROKEN = text(
    """
    SELECT id FROM (
        SELECT a.id, a.digest, a.before, audit_digest(a) AS computed,
            lag(a.digest, 1, '') OVER (PARTITION BY a.who ORDER BY a.id) AS expected
        FROM audit a
    ) entries
    WHERE digest <> computed OR before <> expected
    ORDER BY id
    """
)


ENTRIES = text(
    """
    SELECT a.id, a.at, a.who, a.action, a.study_id, s.pseudonym AS study, a.detail, a.before,
        a.digest
    FROM audit a LEFT JOIN studies s ON s.id = a.study_id
    WHERE a.id > :after AND a.at <= clock_timestamp() - make_interval(secs => :settle)
    ORDER BY a.id LIMIT :limit
    """
)


class Entry(NamedTuple):
    """What the audit holds."""

    id: int
    at: datetime
    who: str
    action: str
    study_id: int | None
    study: str | None  # pseudonym; None: of no study, or it was erased
    detail: dict[str, Any]
    before: str  # digest of the person's entry before it
    digest: str


def note(session: Session, who: str, action: str, study: int | None = None, **detail: Any) -> None:
    """Add an entry; `detail` holds codes and numbers, never identity."""
    said = {"who": who, "action": action, "study": study, "detail": json.dumps(detail)}
    session.execute(NOTE, said)


def entries(session: Session, after: int = 0, limit: int = 1000, settle: int = 0) -> list[Entry]:
    """Those behind one that are `settle` seconds old, the oldest first."""
    rows = session.execute(ENTRIES, {"after": after, "limit": limit, "settle": settle})
    return [Entry(*row) for row in rows]


def broken(session: Session) -> list[int]:
    """The entries that are not what was written, or before which something is missing."""
    return list(session.scalars(BROKEN))
