"""Double reading: independent decisions of several readers, blinded until all are in.

How many a case needs is its site's setting. Where they agree the case is read; where they do not,
another reader sees them all and arbitrates.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import reading
from db.history import Decided
from db.reading import Decision, UnknownStudy
from mammo.codes import Call

MADE = text(
    """
    SELECT d.id, d.round, d.reader, d.left_call, d.right_call
    FROM decisions d JOIN studies s ON s.id = d.study_id
    WHERE s.study_uid = :uid AND d.fingerprint = :fingerprint
        AND NOT EXISTS (SELECT FROM decisions later WHERE later.corrects = d.id)
    ORDER BY d.round
    """
)
CASE = text(
    """
    SELECT s.fingerprint, w.read_at IS NOT NULL AS read,
        coalesce(CAST(sites.settings ->> 'readers' AS integer), 1) AS readers
    FROM studies s JOIN worklist w ON w.study_id = s.id LEFT JOIN sites ON sites.name = w.site
    WHERE s.study_uid = :uid
    """
)


class AlreadyDecided(Exception):  # noqa: N818 -- a state of affairs
    """The reader has decided in an earlier round, or the case is read."""


class ImagesChanged(Exception):  # noqa: N818 -- a state of affairs
    """The study is not the one that was shown."""


class Made(NamedTuple):
    """A decision that stands: not corrected since."""

    id: int
    round: int
    reader: str
    left: Call | None
    right: Call | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands with its readers."""

    fingerprint: str  # of its images now
    readers: int  # independent decisions that its site asks for
    made: tuple[Made, ...]  # of these images, by round
    read: bool

    @property
    def independent(self) -> tuple[Made, ...]:
        return tuple(one for one in self.made if one.round <= self.readers)

    @property
    def all_in(self) -> bool:
        return len(self.independent) >= self.readers

    @property
    def agreed(self) -> bool:
        return len({(one.left, one.right) for one in self.independent}) <= 1

    @property
    def arbitration(self) -> bool:
        """All are in, and contradict one another, and nobody has settled it."""
        return self.all_in and not self.agreed and len(self.made) == self.readers

    @property
    def complete(self) -> bool:
        return self.all_in and (self.agreed or len(self.made) > self.readers)

    def by(self, reader: str) -> Made | None:
        """What a reader has decided of these images."""
        return next((one for one in self.made if one.reader == reader), None)

    def shows(self, decided: Decided, reader: str) -> bool:
        """Whether a reader may see a decision: one's own always, others' once all are in."""
        return decided.reader == reader or not decided.of_these_images or self.read or self.all_in


def standing(session: Session, study_uid: str) -> Standing:
    """Where a study stands. Raises `UnknownStudy`."""
    case = session.execute(CASE, {"uid": study_uid}).one_or_none()
    if case is None:
        raise UnknownStudy(study_uid)
    rows = session.execute(MADE, {"uid": study_uid, "fingerprint": case.fingerprint})
    made = tuple(
        Made(row.id, row.round, row.reader, _call(row.left_call), _call(row.right_call))
        for row in rows
    )
    return Standing(case.fingerprint, case.readers, made, case.read)


def decide(session: Session, decision: Decision) -> Standing:
    """Write down a decision in the round that is due, or correct one's own; returns what stands then.

    `decision.round` and `decision.corrects` are set here. Raises `UnknownStudy`, `NotYours`,
    `AlreadyDecided` of a case that is read, and `ImagesChanged` where an image came since it was shown.
    """
    # Held until the end: the next reader's round is counted after this one.
    if session.execute(reading.HOLD, {"uid": decision.study_uid}).one_or_none() is None:
        raise UnknownStudy(decision.study_uid)
    before = standing(session, decision.study_uid)
    if before.fingerprint != decision.fingerprint:
        raise ImagesChanged
    mine = before.by(decision.reader)
    if before.read or before.complete or (mine and before.arbitration):
        raise AlreadyDecided
    number = mine.round if mine else len(before.made) + 1
    new = Made(0, number, decision.reader, decision.left, decision.right)
    others = tuple(one for one in before.made if one is not mine)
    after = replace(before, made=tuple(sorted((*others, new), key=lambda one: one.round)))
    reading.decide(
        session,
        replace(decision, round=number, corrects=mine and mine.id),
        complete=after.complete,
    )
    return standing(session, decision.study_uid)


def _call(word: str | None) -> Call | None:
    return Call(word) if word else None
