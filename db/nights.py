"""How the last runs went, and a site's last night against the nights before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.counts import Night

# What a run wrote is counted while it goes on; afterwards its summary says so.
RUNS = text(
    """
    SELECT r.id, releases.name AS release, r.state, r.started_at, r.finished_at,
        coalesce(r.finished_at, now()) - r.started_at AS lasted, r.seconds, r.summary,
        CASE WHEN r.summary IS NULL THEN
            (SELECT count(*) FROM results WHERE results.run_id = r.id) END AS written
    FROM runs r JOIN releases ON releases.digest = r.release
    ORDER BY r.id DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class RunTold:
    """A run as its operator wants to know of it."""

    id: int
    release: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    minutes: float
    screened: int  # results that it wrote
    known: int | None  # studies under its prefix; None: it goes on
    not_scored: dict[str, int]  # reason: studies
    stages: dict[str, float]  # seconds, summed over tasks
    instances: dict[str, int]  # verdict: instances

    @property
    def per_minute(self) -> float:
        return self.screened / self.minutes if self.minutes > 0 else 0.0

    @property
    def not_scored_share(self) -> float | None:
        return sum(self.not_scored.values()) / self.known if self.known else None


class AgainstBefore(NamedTuple):
    """The shares of the scores 1 to 10 in the last night, and in those before by the same release."""

    night: Night
    last: tuple[float, ...]
    before: tuple[float, ...] | None  # None: too little was scored before
    studies_before: int


LEAST_BEFORE = 20  # scored studies: of fewer a distribution says nothing


def runs(session: Session, limit: int) -> list[RunTold]:
    """The last runs, the newest first."""
    return [
        RunTold(
            id=row.id,
            release=row.release,
            state=row.state,
            started_at=row.started_at,
            finished_at=row.finished_at,
            minutes=row.lasted.total_seconds() / 60,
            screened=row.written if row.summary is None else row.summary["screened_now"],
            known=row.summary and row.summary["known"],
            not_scored=_numbers(row.summary, "not_scored_reasons"),
            stages=_numbers(row.summary, "seconds_by_stage") or row.seconds,
            instances={
                verdict: row.summary[verdict]
                for verdict in ("accepted", "excluded", "quarantined")
                if row.summary
            },
        )
        for row in session.execute(RUNS, {"limit": limit})
    ]


def _numbers(summary: dict[str, Any] | None, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (summary or {}).get(name, {})
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def against_before(nights: Sequence[Night]) -> AgainstBefore | None:
    """Of a site's nights, the oldest first; None: nothing was scored."""
    scored = [night for night in nights if night.scored]
    if not scored:
        return None
    last = scored[-1]
    earlier = [n for n in scored if n.release == last.release and n.night < last.night]
    sums = [sum(of_score) for of_score in zip(*(n.scores for n in earlier), strict=True)]
    total = sum(sums)
    return AgainstBefore(
        last,
        tuple(number / last.scored for number in last.scores),
        tuple(number / total for number in sums) if total >= LEAST_BEFORE else None,
        total,
    )
