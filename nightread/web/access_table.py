"""Which route is for whom, read off the application itself."""

from typing import NamedTuple

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from nightread.web.security.guard import guard_of, signed_in

ANYBODY, SIGNED_IN = "anybody", "whoever is signed in"


class Row(NamedTuple):
    """A method of a route."""

    method: str
    path: str
    who: str  # roles, or one of the words above


def rows(app: FastAPI) -> list[Row]:
    """Every route, by path and method."""
    found = [
        Row(method, context.path, _who(getattr(context, "dependant", None)))
        for context in iter_route_contexts(app.routes)
        for method in (context.methods or {"GET"}) - {"HEAD"}
        if context.path is not None
    ]
    return sorted(found, key=lambda row: (row.path, row.method))


def _who(dependant: Dependant | None) -> str:
    if dependant is None:
        return ANYBODY
    guard = guard_of(dependant)
    if guard is not None:
        return str(guard)
    return SIGNED_IN if _asks_who(dependant) else ANYBODY


def _asks_who(dependant: Dependant) -> bool:
    return any(inner.call is signed_in or _asks_who(inner) for inner in dependant.dependencies)
