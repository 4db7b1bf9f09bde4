"""Changed rules and policies, applied to the facts that the index keeps. No object is read."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db.session import in_transaction
from db.sites import SITE_OF_OBJECT, Sites, load
from db.studies import provisional, refresh
from db.text import storable
from mammo.facts import Facts
from mammo.studies import is_mammography
from mammo.verdict import judge, kind

PAGE = 500  # objects a transaction: some tens of milliseconds


class Change(NamedTuple):
    """From one reason to another."""

    before: str
    after: str


@dataclass(slots=True)
class Rejudged:
    """What applying the rules anew showed."""

    judged: int = 0  # instances whose rules or policy were other ones
    changes: Counter[Change] = field(default_factory=Counter)  # instances
    moved: int = 0  # objects that belong to another site now


# Whoever indexes the same objects at this moment waits, or is waited for.
OBJECTS = text(
    """
    SELECT o.id, o.site, {site_of_object} AS derived
    FROM objects o
    WHERE o.id > :after AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    ORDER BY o.id LIMIT :limit
    FOR NO KEY UPDATE OF o
    """.replace("{site_of_object}", SITE_OF_OBJECT)
)

MOVE = text(
    """
    UPDATE objects SET site = moved.site
    FROM unnest(cast(:objects AS bigint[]), cast(:sites AS text[])) AS moved (id, site)
    WHERE objects.id = moved.id
    """
)

HELD_BY = text(
    """
    SELECT DISTINCT study_id FROM instances
    WHERE object_id = ANY(:objects) AND study_id IS NOT NULL
    """
)

# A bad member of an archive, without UID, was not judged by its facts: it has none.
STALE = text(
    """
    SELECT i.id, i.study_id, i.facts, i.header_reason, o.site
    FROM instances i
    JOIN objects o ON o.id = i.object_id
    JOIN unnest(cast(:sites AS text[]), cast(:versions AS text[])) AS wanted (site, version)
        ON wanted.site = o.site
    WHERE i.object_id = ANY(:objects) AND i.sop_instance_uid IS NOT NULL
        AND i.rule_version <> wanted.version
    """
)

JUDGED = text(
    """
    UPDATE instances i SET
        kind = new.kind,
        is_mammography = new.is_mammography,
        header_verdict = new.header_verdict,
        header_reason = new.header_reason,
        header_detail = new.header_detail,
        rule_version = new.rule_version,
        -- What pixels or other instances showed stands as long as the header says the same.
        verdict = CASE WHEN i.header_reason = new.header_reason
            THEN i.verdict ELSE new.verdict END,
        reason = CASE WHEN i.header_reason = new.header_reason THEN i.reason ELSE new.reason END,
        detail = CASE WHEN i.header_reason = new.header_reason
            THEN i.detail ELSE new.header_detail END
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS new (
        id bigint, kind text, is_mammography boolean, header_verdict text, header_reason text,
        header_detail text, rule_version text, verdict text, reason text
    )
    WHERE i.id = new.id
    """
)


def rejudge(engine: Engine) -> Rejudged:
    """Judge every instance under its site's policy and today's rules; studies follow.

    What is judged under them already is passed over, so that an interrupted call is taken up
    again. The next run screens the studies that changed. Raises `SiteError`.
    """
    total = Rejudged()
    after = 0
    while page := in_transaction(engine, lambda session, after=after: judge_page(session, after)):  # type: ignore[misc]
        after, found = page
        total.judged += found.judged
        total.changes += found.changes
        total.moved += found.moved
    return total


def judge_page(session: Session, after: int) -> tuple[int, Rejudged] | None:
    """The last object of the page, and what became of it; None: there are no more."""
    sites = load(session)
    objects = session.execute(OBJECTS, {"after": after, "limit": PAGE}).all()
    if not objects:
        return None
    moved = {row.id: row.derived for row in objects if row.site != row.derived}
    studies: set[int] = set()
    if moved:
        session.execute(MOVE, {"objects": list(moved), "sites": list(moved.values())})
        studies |= {*session.scalars(HELD_BY, {"objects": list(moved)})}
    found = Rejudged()
    stale = session.execute(
        STALE,
        {
            "objects": [row.id for row in objects],
            "sites": [site.name for site in sites.all],
            "versions": [site.policy.rule_version for site in sites.all],
        },
    ).all()
    rows = list(_judged(stale, sites))
    if rows:
        session.execute(JUDGED, {"rows": json.dumps(rows)})
    for before, row in zip(stale, rows, strict=True):
        if before.header_reason != row["header_reason"]:
            found.changes[Change(before.header_reason, row["header_reason"])] += 1
            if before.study_id is not None:
                studies.add(before.study_id)
    found.judged, found.moved = len(rows), len(moved)
    refresh(session, studies)
    return objects[-1].id, found


def _judged(stale: Any, sites: Sites) -> Iterator[dict[str, Any]]:
    for row in stale:
        policy = sites.named(row.site).policy
        facts = Facts.from_dict(row.facts)
        judgement = judge(facts, policy)
        verdict, reason = provisional(judgement.verdict, judgement.reason)
        yield {
            "id": row.id,
            "kind": kind(facts),
            "is_mammography": is_mammography(facts, judgement),
            "header_verdict": judgement.verdict,
            "header_reason": judgement.reason,
            "header_detail": storable(judgement.detail),
            "rule_version": policy.rule_version,
            "verdict": verdict,
            "reason": reason,
        }
