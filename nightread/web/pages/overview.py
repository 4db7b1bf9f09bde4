"""How the night went: throughput, what was not scored, and each site against its baseline."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from db import schema
from db.counts import nights
from db.nights import RunTold, against_before, runs
from nightread.web import html
from nightread.web.pages.charts import distribution
from nightread.web.principal import Role
from nightread.web.security.guard import Access, requires

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Supervisors = Annotated[Access, requires(Role.SUPERVISOR)]

RUNS = 14  # two weeks of nights
BASELINE = timedelta(days=90)


@router.get("/overview")
def overview(request: Request, access: Supervisors) -> HTMLResponse:
    """The last run, those before, and the scores of every site."""
    told = runs(access.session, RUNS)
    today = access.session.scalars(select(func.current_date())).one()
    names = access.session.scalars(select(schema.Site.name).order_by(schema.Site.name)).all()
    compared = [
        (name, against_before(nights(access.session, name, today - BASELINE))) for name in names
    ]
    values = {
        "last": told[0] if told else None,
        "runs": told,
        "not_scored": _shares(told[0].not_scored, told[0].known) if told else [],
        "stages": _shares(told[0].stages, None) if told else [],
        "sites": [
            (name, found, distribution(found.last, found.before))
            for name, found in compared
            if found is not None
        ],
        "per_minute": _rate,
    }
    return html.page(request, "overview.html", values, access.principal)


def _shares(numbers: dict[str, Any], whole: float | None) -> list[tuple[str, float, float]]:
    """Name, number and share of the whole; by default of their sum."""
    total = whole or sum(numbers.values()) or 1
    return [(name, number, number / total) for name, number in numbers.items() if number]


def _rate(run: RunTold) -> str:
    return f"{run.per_minute:.1f}" if run.screened else "none"
