"""How long what is no longer needed is kept: tables let go of old rows, in bounded batches.

Never a study, and never what the list shows or a reader decided on: of a study that nobody has read
every result stays, of the others the newest one and those that decisions were made on.
"""

from typing import NamedTuple

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.orm import Session

from db import audit
from db.session import in_transaction

PAGE = 1000  # rows a transaction: some tens of milliseconds


SUPERSEDED = """
    SELECT r.id FROM results r
    WHERE r.superseded_at < now() - make_interval(days => :days)
        AND EXISTS (SELECT FROM results n WHERE n.study_id = r.study_id AND n.id > r.id)
        AND NOT EXISTS (SELECT FROM decisions d WHERE d.result_id = r.id)
        AND NOT EXISTS (
            SELECT FROM worklist w
            WHERE w.study_id = r.study_id AND (w.read_at IS NULL OR w.result_id = r.id)
        )
"""
# The last of its prefix and release says how far that is.
RUNS = """
    SELECT r.id FROM runs r
    WHERE r.state <> 'running' AND r.finished_at < now() - make_interval(days => :days)
        AND EXISTS (
            SELECT FROM runs n
            WHERE (n.bucket, n.prefix, n.release) = (r.bucket, r.prefix, r.release) AND n.id > r.id
        )
        AND NOT EXISTS (SELECT FROM results s WHERE s.run_id = r.id)
        AND NOT EXISTS (SELECT FROM attempts a WHERE a.run_id = r.id)
        AND NOT EXISTS (SELECT FROM objects o WHERE o.last_seen_run = r.id)
"""
NIGHTS = """
    SELECT night AS id FROM score_counts WHERE night < CURRENT_DATE - CAST(:days AS integer)
    UNION
    SELECT night FROM score_changes WHERE night < CURRENT_DATE - CAST(:days AS integer)
"""
EXPORTS = "SELECT id FROM exports WHERE at < now() - make_interval(days => :days)"
SIGN_INS = """
    SELECT digest AS id FROM web_sessions WHERE ends_at < now() - make_interval(days => :days)
    UNION ALL
    SELECT digest FROM service_tokens
    WHERE least(revoked_at, expires_at) < now() - make_interval(days => :days)
"""

COUNT = "SELECT count(*) FROM ({old}) old"
NEXT = "SELECT id FROM ({old}) old ORDER BY id LIMIT :page"


class Table(NamedTuple):
    """Which rows of a table are old: how many, the next of them, and what removes them, in order."""

    how_many: TextClause
    next: TextClause
    delete: tuple[TextClause, ...]


TABLES = {
    "superseded": Table(
        text(COUNT.replace("{old}", SUPERSEDED)),
        text(NEXT.replace("{old}", SUPERSEDED)),
        (
            text("DELETE FROM findings WHERE result_id = ANY(:ids)"),
            text("DELETE FROM result_instances WHERE result_id = ANY(:ids)"),
            text("DELETE FROM results WHERE id = ANY(:ids)"),
        ),
    ),
    "runs": Table(
        text(COUNT.replace("{old}", RUNS)),
        text(NEXT.replace("{old}", RUNS)),
        (text("DELETE FROM runs WHERE id = ANY(:ids)"),),
    ),
    "counts": Table(
        text(COUNT.replace("{old}", NIGHTS)),
        text(NEXT.replace("{old}", NIGHTS)),
        (
            text("DELETE FROM score_counts WHERE night = ANY(:ids)"),
            text("DELETE FROM score_changes WHERE night = ANY(:ids)"),
        ),
    ),
    "exports": Table(
        text(COUNT.replace("{old}", EXPORTS)),
        text(NEXT.replace("{old}", EXPORTS)),
        (text("DELETE FROM exports WHERE id = ANY(:ids)"),),
    ),
    "sign_ins": Table(
        text(COUNT.replace("{old}", SIGN_INS)),
        text(NEXT.replace("{old}", SIGN_INS)),
        (
            text("DELETE FROM web_sessions WHERE digest = ANY(:ids)"),
            text("DELETE FROM service_tokens WHERE digest = ANY(:ids)"),
        ),
    ),
}


def old(engine: Engine, days: dict[str, int]) -> dict[str, int]:
    """How much would go: results, runs, nights, exports and sign-ins older than so many days."""
    return in_transaction(
        engine,
        lambda session: {
            name: session.execute(TABLES[name].how_many, {"days": kept}).scalar_one()
            for name, kept in days.items()
        },
    )


def let_go(engine: Engine, days: dict[str, int], who: str) -> dict[str, int]:
    """Remove what is older than so many days; what is interrupted is taken up by the next call."""
    gone = dict.fromkeys(days, 0)
    # Results first: a run goes when nothing is left that it said.
    for name in (name for name in TABLES if name in days):
        while number := in_transaction(
            engine,
            lambda session, name=name: _page(session, name, days[name]),  # type: ignore[misc]
        ):
            gone[name] += number
    if any(gone.values()):
        in_transaction(engine, lambda session: audit.note(session, who, "let_go", rows=gone))
    return gone


def _page(session: Session, name: str, days: int) -> int:
    ids = session.scalars(TABLES[name].next, {"days": days, "page": PAGE}).all()
    if ids:
        for statement in TABLES[name].delete:
            session.execute(statement, {"ids": list(ids)})
    return len(ids)
