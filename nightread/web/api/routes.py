"""All of the API."""

from fastapi import APIRouter

from nightread.web.api import audit, read_states, reading, shapes, sites, studies, worklist
from nightread.web.security.guard import Person

router = APIRouter()
for part in (worklist, reading, studies, read_states, sites, audit):
    router.include_router(part.router)


@router.get("/me", tags=["me"])
def me(person: Person) -> shapes.Me:
    """Who asks, and what they may do."""
    return shapes.Me(who=person.who, name=person.name, roles=sorted(person.roles))
