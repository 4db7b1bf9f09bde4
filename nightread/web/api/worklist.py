"""The list, a page at a time, and how many stand in it."""

from typing import Annotated

from fastapi import APIRouter, Query

from db.counts import states
from db.runs import release_named
from db.worklist import InvalidCursor, page
from mammo.codes import Level, Status
from nightread import documents
from nightread.shapes import WorklistDocument
from nightread.web.api.guards import Seeing
from nightread.web.api.shapes import Counts, LevelCount
from nightread.web.fields import Cursor, From, Limit, ReleaseName, SiteName, To
from nightread.web.problems import Refusal

router = APIRouter(prefix="/worklist", tags=["worklist"])


@router.get(
    "",
    responses={
        400: {"description": "The cursor is none that a page gave."},
        404: {"description": "No release of this name has said anything."},
    },
)
def worklist(
    access: Seeing,
    limit: Limit = 50,
    level: Annotated[Level | None, Query(description="Of this level only.")] = None,
    site: Annotated[SiteName | None, Query(description="Of this site only.")] = None,
    status: Annotated[Status | None, Query(description="Of this status only.")] = None,
    first: From = None,
    last: To = None,
    release: ReleaseName = None,
    missing_views: Annotated[  # noqa: FBT002 -- a query has names alone
        bool, Query(description="That were scored without all of their views.")
    ] = False,
    after: Cursor = None,
) -> WorklistDocument:
    """The studies to read first; those that could not be scored stand among them, marked."""
    digest = release_named(access.session, release) if release else None
    if release and digest is None:
        raise Refusal(404, "No release of this name or digest has said anything.")
    try:
        found = page(
            access.session,
            limit,
            level,
            site,
            after,
            status=status,
            first=first,
            last=last,
            release=digest,
            missing_views=missing_views,
        )
    except InvalidCursor:
        raise Refusal(
            400, "`after` is not a cursor: use what a page gave as `next`, or leave it out."
        ) from None
    return documents.worklist(found)


@router.get("/counts")
def counts(
    access: Seeing,
    site: Annotated[SiteName | None, Query(description="Of this site only.")] = None,
) -> Counts:
    """How many studies stand in each level, by what became of them."""
    found = states(access.session, site)
    return Counts(
        site=site,
        levels={
            level: LevelCount(open=state.open, aged=state.aged, read=state.read)
            for level, state in found.items()
        },
    )
