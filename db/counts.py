"""How many studies stand in the list, and what releases said of them night by night.

Both are kept by triggers, in the transaction that changes them. A statement adds what it changed
as rows (`worklist_changes`, `score_changes`), so that no writer waits for another; one in 256 folds
them into the counts. A reading sums both: it is equal to `count(*)` in the same snapshot.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from mammo.codes import Level

LISTED = text(
    """
    SELECT level, state, CAST(sum(number) AS bigint) AS number FROM (
        SELECT site, level, state, number FROM worklist_counts
        UNION ALL
        SELECT site, level, state, number FROM worklist_changes
    ) kept
    WHERE site = coalesce(CAST(:site AS text), site)
    GROUP BY level, state
    """
)

SCORES = text(
    """
    SELECT night, release, score, CAST(sum(number) AS bigint) AS number,
        sum(probability) AS probability
    FROM (
        SELECT site, night, release, score, number, probability FROM score_counts
        UNION ALL
        SELECT site, night, release, score, number, probability FROM score_changes
    ) kept
    WHERE site = :site AND night >= :first
    GROUP BY night, release, score
    ORDER BY night, release, score
    """
)


class State(NamedTuple):
    """The studies of a level by what became of them."""

    open: int  # not read, and not marked as such for too long
    aged: int
    read: int

    @property
    def listed(self) -> int:
        return sum(self)


@dataclass(frozen=True, slots=True)
class Night:
    """What a release said of a site's studies in the runs that began on a day (UTC)."""

    night: date
    release: str
    scored: int
    not_scored: int
    mean_probability: float | None  # of those that were scored
    scores: tuple[int, ...]  # how many had the score 1, 2, ... 10


def states(session: Session, site: str | None = None) -> dict[Level, State]:
    """How many studies of a site, or of all, stand in each level."""
    found = {(row.level, row.state): row.number for row in session.execute(LISTED, {"site": site})}
    return {
        level: State(*(found.get((level.value, state), 0) for state in State._fields))
        for level in Level
    }


def nights(session: Session, site: str, first: date = date.min) -> list[Night]:
    """How a site's scores moved since `first`: the oldest night first, then by release."""
    found: dict[tuple[date, str], dict[int, tuple[int, float]]] = {}
    for row in session.execute(SCORES, {"site": site, "first": first}):
        found.setdefault((row.night, row.release), {})[row.score] = (row.number, row.probability)
    return [_night(night, release, scores) for (night, release), scores in found.items()]


def _night(night: date, release: str, said: dict[int, tuple[int, float]]) -> Night:
    scores = tuple(said.get(score, (0, 0.0))[0] for score in range(1, 11))
    total = sum(probability for score, (_, probability) in said.items() if score)
    scored = sum(scores)
    return Night(
        night=night,
        release=release,
        scored=scored,
        not_scored=said.get(0, (0, 0.0))[0],
        mean_probability=total / scored if scored else None,
        scores=scores,
    )
