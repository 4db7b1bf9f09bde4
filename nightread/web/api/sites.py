"""Sites, and how their scores move."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select

from db.counts import nights
from db.schema import Release, Site
from nightread.web.api import shapes
from nightread.web.api.guards import Seeing
from nightread.web.fields import From, SiteName
from nightread.web.problems import Refusal

DAYS = 90  # unless told otherwise
MOST_NIGHTS = 1000

router = APIRouter(prefix="/sites", tags=["sites"])


@router.get("")
def sites(access: Seeing) -> list[shapes.SiteShape]:
    """All sites, with the release that ranks there."""
    rows = access.session.execute(
        select(Site.name, Site.release, Release.name)
        .outerjoin(Release, Release.digest == Site.release)
        .order_by(Site.name)
    )
    return [
        shapes.SiteShape(name=name, release=digest, release_name=release)
        for name, digest, release in rows
    ]


@router.get("/{site}/scores", responses={404: {"description": "There is no site of this name."}})
def scores(
    site: Annotated[SiteName, Path()],
    access: Seeing,
    first: From = None,
    limit: Annotated[int, Query(ge=1, le=MOST_NIGHTS, description="The last so many.")] = 200,
) -> list[shapes.NightShape]:
    """What releases said of a site's studies, night by night."""
    if access.session.get(Site, site) is None:
        raise Refusal(404, "There is no site of this name.")
    since: date = first or datetime.now(UTC).date() - timedelta(days=DAYS)
    return [
        shapes.NightShape(
            night=night.night,
            release=night.release,
            scored=night.scored,
            not_scored=night.not_scored,
            mean_probability=night.mean_probability,
            scores=list(night.scores),
        )
        for night in nights(access.session, site, since)[-limit:]
    ]
