"""Which release is active at a site, which ones were, and the way back.

Runs read the active one when they begin and keep it (`Run.release`): nothing here touches a run
that goes on. A trigger notes that the site's list has to follow; call `db.ranking.rerank`.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from db import schema


class PromotionError(Exception):
    """Why a site's active release stays what it is. One sentence."""


class UnknownSite(PromotionError):  # noqa: N818 -- what it is says enough
    """There is no site of this name; says which there are."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A release that was made a site's active one."""

    id: int
    site: str
    release: str  # digest
    before: str  # digest of the one that it replaced


def active(session: Session, site: str) -> str | None:
    """The digest of the site's active release, None without one; raises `UnknownSite`."""
    return _site(session, site).release


def name_of(session: Session, digest: str) -> str:
    """What a registered release is called."""
    return session.execute(
        select(schema.Release.name).where(schema.Release.digest == digest)
    ).scalar_one()


def active_at(session: Session) -> dict[str, list[str]]:
    """The sites at which a release is active, by its digest."""
    found: dict[str, list[str]] = {}
    for name, digest in session.execute(
        select(schema.Site.name, schema.Site.release)
        .where(schema.Site.release.is_not(None))
        .order_by(schema.Site.name)
    ):
        found.setdefault(digest, []).append(name)
    return found


def promote(session: Session, site: str, release: str, code_version: str) -> str | None:
    """Make a registered release the site's active one; returns the one before.

    Nothing happens if it is the active one already. Raises `UnknownSite`.
    """
    row = _site(session, site)
    before = row.release
    if before != release:
        row.release = release
        session.add(
            schema.Promotion(site=site, release=release, before=before, code_version=code_version)
        )
    return before


def standing(session: Session, site: str) -> Promotion:
    """What made the site's active release active, and what can be gone back on.

    Raises `PromotionError` if that was no promotion, or the site had no release of its own before.
    """
    row = _site(session, site)
    undo = aliased(schema.Promotion)
    found = session.scalars(
        select(schema.Promotion)
        .outerjoin(undo, undo.undoes == schema.Promotion.id)
        .where(schema.Promotion.site == site, schema.Promotion.undoes.is_(None), undo.id.is_(None))
        .order_by(schema.Promotion.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None or found.release != row.release:
        raise PromotionError(
            f"Nothing that was promoted is active at the site {site!r}: promote a release by name."
        )
    if found.before is None:
        raise PromotionError(
            f"The site {site!r} had no release of its own before: promote one by name."
        )
    return Promotion(found.id, found.site, found.release, found.before)


def go_back(session: Session, promotion: Promotion, code_version: str) -> None:
    """Make the release before `promotion` active again, once however often it is asked for.

    Raises `PromotionError` when another promotion came in between.
    """
    row = _site(session, promotion.site)
    undone = select(schema.Promotion.id).where(schema.Promotion.undoes == promotion.id)
    if session.scalars(undone).first() is not None:
        return  # the commit was done, only its answer was lost
    if row.release != promotion.release:
        raise PromotionError(
            f"The site {promotion.site!r} was given another release meanwhile: look, run it again."
        )
    row.release = promotion.before
    session.add(
        schema.Promotion(
            site=promotion.site,
            release=promotion.before,
            before=promotion.release,
            undoes=promotion.id,
            code_version=code_version,
        )
    )


def _site(session: Session, name: str) -> schema.Site:
    """Its row, held until the transaction ends: two promotions come one after the other."""
    row = session.get(schema.Site, name, with_for_update=True)
    if row is None:
        there = session.scalars(select(schema.Site.name).order_by(schema.Site.name)).all()
        raise UnknownSite(f"There is no site {name!r}; there are: {', '.join(there)}.")
    return row
