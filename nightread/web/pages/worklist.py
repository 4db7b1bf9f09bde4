"""The list: ranked, filtered, counted; and the next case for who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import schema
from db.counts import State, states
from db.reading import claim_next
from db.worklist import InvalidCursor, page
from mammo.codes import Level, Status
from nightread.web import html
from nightread.web.fields import Text, stored
from nightread.web.pages.words import LEVELS, STATUSES
from nightread.web.principal import Role
from nightread.web.problems import Refusal
from nightread.web.security.guard import Access, requires

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Anyone = Annotated[Access, requires(Role.SUPERVISOR, Role.READER, Role.SERVICE, Role.AUDITOR)]
Readers = Annotated[Access, requires(Role.SUPERVISOR, Role.READER)]

ROWS = 50  # of a page
ALL = "all"  # read ones too
NOTHING_LEFT = "nothing-left"
SAID = {
    NOTHING_LEFT: "There is no case that you could read: all are read, decided by you or claimed."
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the list is asked for, as it stands in the address."""

    level: Level | None = None
    status: Status | str = Status.OPEN
    site: str | None = None
    first: date | None = None
    last: date | None = None
    release: str | None = None
    missing_views: bool = False

    def address(self, **changes: Any) -> str:
        """Of the list, asked for otherwise."""
        said = {field.name: getattr(self, field.name) for field in fields(self)} | changes
        named = {NAMES.get(name, name): value for name, value in said.items() if value}
        if named.get("status") == Status.OPEN:
            del named["status"]
        if named.get("missing_views"):
            named["missing_views"] = "true"
        return f"/?{urlencode(named)}" if named else "/"


NAMES = {"first": "from", "last": "to"}  # words that Python has other uses for


def asked_in(request: Request) -> Asked:
    """A form sends an empty string for what was not chosen. Raises `Refusal` for what is no filter."""
    try:
        query = {n: stored(value) for n, value in request.query_params.items() if value}
        return Asked(
            level=Level(query["level"]) if "level" in query else None,
            status=ALL if query.get("status") == ALL else Status(query.get("status", Status.OPEN)),
            site=query.get("site"),
            first=date.fromisoformat(query["from"]) if "from" in query else None,
            last=date.fromisoformat(query["to"]) if "to" in query else None,
            release=query.get("release"),
            missing_views=query.get("missing_views") == "true",
        )
    except ValueError:
        raise Refusal(422, "The address holds a filter that there is not.") from None


@router.get("/")
def worklist(
    request: Request,
    access: Anyone,
    asked: Annotated[Asked, Depends(asked_in)],
    after: str = "",
    said: str = "",
) -> HTMLResponse:
    """The first page of who reads; of others, where they are."""
    if access.role not in (Role.SUPERVISOR, Role.READER):
        return html.page(request, "home.html", {}, access.principal)
    try:
        found = page(
            access.session,
            ROWS,
            asked.level,
            asked.site,
            after or None,
            status=asked.status if isinstance(asked.status, Status) else None,
            first=asked.first,
            last=asked.last,
            release=asked.release,
            missing_views=asked.missing_views,
        )
    except InvalidCursor:
        raise Refusal(422, "The address of this page is damaged: begin with the list.") from None
    shown = {
        "asked": asked,
        "items": found.items,
        "filtered": asked != Asked(),
        "counts": _counts(states(access.session, asked.site), asked),
        "statuses": [*STATUSES.items(), (ALL, "All, read ones too")],
        "said": SAID.get(said),
        "first_page": asked.address() if after else None,
        "next_page": asked.address(after=found.next) if found.next else None,
        **_choices(access.session),
    }
    return html.page(request, "worklist.html", shown, access.principal)


@router.get("/worklist/counts")
def counts(
    request: Request, access: Readers, asked: Annotated[Asked, Depends(asked_in)]
) -> HTMLResponse:
    """The numbers above the list, for a page that stays open."""
    found = _counts(states(access.session, asked.site), asked)
    return html.page(request, "_counts.html", {"counts": found}, access.principal)


@router.post("/claim")
def claim(access: Readers, site: Annotated[Text, Form()] = "") -> Response:
    """The next case, for who asks alone."""
    return RedirectResponse(next_case(access, site or None), 303)


def next_case(access: Access, site: str | None = None) -> str:
    """Claims a case; the address of its page, or of the list where there is none."""
    found = claim_next(access.session, access.principal.who, site)
    return f"/studies/{found.study_uid}" if found else Asked(site=site).address(said=NOTHING_LEFT)


def _choices(session: Session) -> dict[str, Any]:
    releases = session.execute(
        select(schema.Release.digest, schema.Release.name).order_by(schema.Release.name)
    ).all()
    sites = session.scalars(select(schema.Site.name).order_by(schema.Site.name)).all()
    return {"releases": releases, "sites": sites}


def _counts(found: Mapping[Level, State], asked: Asked) -> list[dict[str, Any]]:
    """A tile for all, for each level, and for what waits long."""
    every = State(*(sum(numbers) for numbers in zip(*found.values(), strict=True)))
    tiles = [_tile("all", "All", every, asked.address(level=None, status=Status.OPEN))]
    for level, name in LEVELS.items():
        address = asked.address(level=level, status=Status.OPEN)
        tiles.append(_tile(level, name, found[level], address) | {"tag": True})
    aged = asked.address(level=None, status=Status.AGED)
    tiles.append(_tile("aged", "Waiting long", every, aged) | {"open": every.aged, "aged": None})
    here = "aged" if asked.status == Status.AGED else asked.level or "all"
    return [tile | {"current": tile["name"] == here} for tile in tiles]


def _tile(name: str, said: str, state: State, address: str) -> dict[str, Any]:
    return {
        "name": str(name),
        "words": said,
        "tag": False,
        "open": state.open + state.aged,
        "aged": state.aged,
        "read": state.read,
        "address": address,
    }
