"""Sites: parts of the archive with a policy, an active release and settings of their own."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import schema
from mammo.verdict import Policy

DEFAULT = "unknown"  # the site of whatever no prefix claims; its row is always there

# Of the object `o`. A handful of rows: looking through all of them is the fastest.
SITE_OF_OBJECT = """(
    SELECT name FROM sites
    WHERE starts_with(('s3://' || o.bucket || '/' || o.key) COLLATE "C", sites.prefix)
    ORDER BY length(sites.prefix) DESC LIMIT 1
)"""
MINUTES = "settle_minutes"
READERS = "readers"
FINDINGS = "findings"
MOST_MINUTES = 7 * 24 * 60
MOST_READERS = 5  # before arbitration

# When a reader is shown what the release found: once asked for or decided, or as the page opens.
Findings = Literal["after_look", "at_once"]


class SiteError(Exception):
    """A site's row that nobody can act on: which, what is wrong. One sentence."""


@dataclass(frozen=True, slots=True)
class Site:
    """What holds for the objects under `prefix`."""

    name: str
    prefix: str  # of s3://bucket/key; empty: the default
    policy: Policy
    release: str | None  # digest of the active one; None: as the settings say
    release_name: str | None
    settle_minutes: int | None  # None: as the settings say
    readers: int = 1  # independent decisions, blinded until all are in; then arbitration
    findings: Findings = "after_look"


@dataclass(frozen=True, slots=True)
class Sites:
    """All sites, the longest prefix first."""

    all: tuple[Site, ...]

    def of(self, bucket: str, key: str) -> Site:
        """The site of an object, or of a prefix of keys: the longest prefix that fits decides."""
        url = f"s3://{bucket}/{key}"
        return next(site for site in self.all if url.startswith(site.prefix))

    def named(self, name: str) -> Site:
        return next(site for site in self.all if site.name == name)


def load(session: Session) -> Sites:
    """The sites as they are now. Raises `SiteError`."""
    rows = session.execute(
        select(schema.Site, schema.Release.name)
        .outerjoin(schema.Release, schema.Release.digest == schema.Site.release)
        .order_by(schema.Site.name)
    ).all()
    return _longest_first(_site(row, release) for row, release in rows)


def _longest_first(sites: Iterable[Site]) -> Sites:
    return Sites(tuple(sorted(sites, key=lambda site: -len(site.prefix))))


def _site(row: schema.Site, release_name: str | None) -> Site:
    try:
        policy = Policy.from_dict(row.policy)
    except ValueError as error:
        raise SiteError(f"The policy of the site {row.name!r} can't be used: {error}.") from None
    for other in row.settings.keys() - {MINUTES, READERS, FINDINGS}:
        raise SiteError(
            f"The site {row.name!r} has a setting {other!r}, which is none of {MINUTES!r}, "
            f"{READERS!r} and {FINDINGS!r}."
        )
    return Site(
        row.name,
        row.prefix,
        policy,
        row.release,
        release_name,
        _whole(row, MINUTES, 0, MOST_MINUTES),
        _whole(row, READERS, 1, MOST_READERS) or 1,
        _findings(row),
    )


def _whole(row: schema.Site, name: str, least: int, most: int) -> int | None:
    value: Any = row.settings.get(name)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and least <= value <= most):
        raise SiteError(
            f"The site {row.name!r} has a {name!r} that is no whole number of {least} to {most}."
        )
    found: int | None = value
    return found


def _findings(row: schema.Site) -> Findings:
    value: Any = row.settings.get(FINDINGS, "after_look")
    if value not in get_args(Findings):
        raise SiteError(
            f"The site {row.name!r} has a {FINDINGS!r} that is neither 'after_look' nor 'at_once'."
        )
    found: Findings = value
    return found
