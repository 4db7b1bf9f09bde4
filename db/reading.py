"""Reading: the next case claimed by one of several readers, and what was decided of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import audit
from db.text import storable
from mammo.codes import Call

CLAIM_MINUTES = 30  # a reader who is called away keeps a case from others for no longer
TRIES = 16  # each lost one was won by another reader

HELD = text(
    """
    UPDATE claims c SET until = now() + make_interval(mins => :minutes)
    FROM worklist w JOIN studies s ON s.id = w.study_id
    WHERE c.reader = :reader AND c.until > now() AND w.study_id = c.study_id
    RETURNING c.study_id, s.study_uid, s.fingerprint, c.until
    """
)

# A row that another session claims at this moment is passed over. One that was claimed between
# this statement's beginning and its look at the row is found out by the insert, which then
# changes nothing. OFFSET 0: looked up study by study, never all that the reader has decided of.
NEXT_OF = """
    WITH next AS (
        SELECT w.study_id FROM worklist w
        WHERE w.read_at IS NULL {and_site}
            AND NOT EXISTS (
                SELECT FROM claims c WHERE c.study_id = w.study_id AND c.until > now() OFFSET 0
            )
            AND NOT EXISTS (
                SELECT FROM decisions d JOIN studies s ON s.id = d.study_id
                WHERE d.study_id = w.study_id AND d.reader = :reader
                    AND d.fingerprint = s.fingerprint OFFSET 0
            )
        ORDER BY w.priority, w.descent, w.study_uid
        LIMIT 1
        FOR NO KEY UPDATE OF w SKIP LOCKED
    ), taken AS (
        INSERT INTO claims AS c (study_id, reader, until)
        SELECT study_id, :reader, now() + make_interval(mins => :minutes) FROM next
        ON CONFLICT (study_id) DO UPDATE SET
            reader = excluded.reader, at = excluded.at, until = excluded.until
            WHERE c.until <= now()
        RETURNING study_id, until
    )
    SELECT next.study_id, s.study_uid, s.fingerprint, taken.until, taken.until IS NOT NULL AS won
    FROM next JOIN studies s ON s.id = next.study_id LEFT JOIN taken ON taken.study_id = s.id
"""
ANYWHERE, AT_SITE = "", "AND w.site = :site"
NEXT = text(NEXT_OF.replace("{and_site}", ANYWHERE))
NEXT_AT_SITE = text(NEXT_OF.replace("{and_site}", AT_SITE))

RELEASE = text("DELETE FROM claims WHERE study_id = :study AND reader = :reader")
HOLD = text(
    "SELECT study_id, result_id FROM worklist WHERE study_uid = :uid AND study_id ="
    " (SELECT id FROM studies WHERE study_uid = :uid) FOR NO KEY UPDATE"
)
STANDS = text(
    """
    SELECT s.fingerprint, c.reader AS claimed_by
    FROM studies s LEFT JOIN claims c ON c.study_id = s.id AND c.until > now()
    WHERE s.id = :study
    """
)
DECIDE = text(
    """
    INSERT INTO decisions (
        study_id, fingerprint, round, reader, left_call, right_call, comment, score_seen,
        result_id, corrects
    ) VALUES (
        :study, :fingerprint, :round, :reader, :left, :right, :comment, :score_seen,
        :result, :corrects
    ) RETURNING id
    """
)
READ = text(
    """
    UPDATE worklist SET read_at = now(), read_fingerprint = :fingerprint
    WHERE study_id = :study AND read_at IS NULL
    """
)


class NotYours(Exception):  # noqa: N818 -- a state of affairs, nothing is wrong
    """Another reader has claimed the study."""


class UnknownStudy(LookupError):  # noqa: N818 -- says what it is
    """No such study stands in the list."""


class Claim(NamedTuple):
    """A study that is a reader's until somebody else may have it."""

    study_id: int
    study_uid: str
    fingerprint: str  # of the study as it is now; goes back with the decision
    until: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reader decided of a study, of one breast at least.

    `fingerprint` is that of the study as it was shown: if an image came since, the decision
    stands and the study is to be read again.
    """

    study_uid: str
    fingerprint: str
    reader: str
    left: Call | None  # None: there is no image of this breast
    right: Call | None
    score_seen: bool  # before it was decided
    round: int = 1  # of double reading
    comment: str = ""
    corrects: int | None = None  # an own decision of the same round


def claim_next(
    session: Session, reader: str, site: str | None = None, minutes: int = CLAIM_MINUTES
) -> Claim | None:
    """The reader's own case if there is one, or else the first that nobody has.

    None: all is read or claimed. Commit at once. A claim ends by a decision, by `release`, or by itself after `minutes`; until
    then no other reader is given the case. A reader is never given what they have decided of.
    """
    asked = {"reader": reader, "minutes": minutes, "site": site}
    if held := session.execute(HELD, asked).first():
        return Claim(*held)
    statement = NEXT if site is None else NEXT_AT_SITE
    for _ in range(TRIES):
        found = session.execute(statement, asked).one_or_none()
        if found is None:
            return None
        if found.won:
            audit.note(session, reader, "claimed", found.study_id)
            return Claim(*found[:-1])
    return None


def release(session: Session, reader: str, study: int) -> None:
    """Give a claimed study back to all; nothing happens if it is not the reader's."""
    if getattr(session.execute(RELEASE, {"reader": reader, "study": study}), "rowcount", 0):
        audit.note(session, reader, "released", study)


def decide(session: Session, decision: Decision, *, complete: bool = True) -> int:
    """Write down a decision; returns its id.

    `complete`: the study is read with it, no further round follows.

    Raises `UnknownStudy`, `NotYours` while another reader has the study, and `IntegrityError` when
    the round has a decision already or `corrects` is another's.
    """
    row = session.execute(HOLD, {"uid": decision.study_uid}).one_or_none()
    if row is None:
        raise UnknownStudy(decision.study_uid)
    # Under the row's lock: an image that comes meanwhile is seen here, or finds it read.
    stands = session.execute(STANDS, {"study": row.study_id}).one()
    if stands.claimed_by not in (None, decision.reader):
        raise NotYours
    written: int = session.execute(
        DECIDE,
        {
            "study": row.study_id,
            "fingerprint": decision.fingerprint,
            "round": decision.round,
            "reader": decision.reader,
            "left": decision.left,
            "right": decision.right,
            "comment": storable(decision.comment),
            "score_seen": decision.score_seen,
            "result": row.result_id,
            "corrects": decision.corrects,
        },
    ).scalar_one()
    if complete and stands.fingerprint == decision.fingerprint:
        session.execute(READ, {"study": row.study_id, "fingerprint": decision.fingerprint})
    session.execute(RELEASE, {"study": row.study_id, "reader": decision.reader})
    audit.note(session, decision.reader, "decided", row.study_id, decision=written)
    return written
