"""What was read elsewhere: another system says of a study that it is read, or to be read again."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import audit

# Of the images that are known now: one that comes later has the study read again.
READ = text(
    """
    UPDATE worklist w SET read_at = now(), read_fingerprint = s.fingerprint
    FROM studies s
    WHERE s.id = w.study_id AND w.read_at IS NULL AND s.study_uid = ANY(:uids)
    RETURNING s.id
    """
)
UNREAD = text(
    """
    UPDATE worklist w SET read_at = NULL, read_fingerprint = NULL
    FROM studies s
    WHERE s.id = w.study_id AND w.read_at IS NOT NULL AND s.study_uid = ANY(:uids)
    RETURNING s.id
    """
)
# In one order, whoever asks: two that say something of the same studies wait, and neither fails.
HOLD = text(
    """
    SELECT s.study_uid FROM worklist w JOIN studies s ON s.id = w.study_id
    WHERE s.study_uid = ANY(:uids) ORDER BY w.study_id FOR NO KEY UPDATE OF w
    """
)


class ReadState(StrEnum):
    """Whether a study was read elsewhere."""

    READ = "read"
    UNREAD = "unread"


class Changed(NamedTuple):
    """How many studies changed, and which ones are not in the list."""

    read: int
    unread: int
    unknown: tuple[str, ...]


def put(session: Session, who: str, states: Mapping[str, ReadState]) -> Changed:
    """Set the read states of studies by UID. What stood so already is left as it is."""
    listed = set(session.scalars(HOLD, {"uids": list(states)}))
    done = {
        state: list(
            session.scalars(statement, {"uids": [uid for uid in listed if states[uid] is state]})
        )
        for state, statement in ((ReadState.READ, READ), (ReadState.UNREAD, UNREAD))
    }
    for state, studies in done.items():
        for study in sorted(studies):
            audit.note(session, who, f"marked_{state}", study)
    return Changed(
        len(done[ReadState.READ]),
        len(done[ReadState.UNREAD]),
        tuple(uid for uid in states if uid not in listed),
    )
