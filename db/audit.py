"""Who saw or did what: entries are added, never changed, and each holds the one before.

The trigger chains the entries of a person: an entry's digest is of all that it says and of the
digest before it. That one in between was changed or taken away shows; that the last ones were
taken away, only against a copy that lies elsewhere.
"""

import json
from typing import Any

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


def note(session: Session, who: str, action: str, study: int | None = None, **detail: Any) -> None:
    """Add an entry; `detail` holds codes and numbers, never identity."""
    said = {"who": who, "action": action, "study": study, "detail": json.dumps(detail)}
    session.execute(NOTE, said)


def broken(session: Session) -> list[int]:
    """The entries that are not what was written, or before which something is missing."""
    return list(session.scalars(BROKEN))
