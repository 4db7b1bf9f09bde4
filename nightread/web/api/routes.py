"""All of the API."""

from fastapi import APIRouter
from pydantic import BaseModel

from nightread.web.principal import Role
from nightread.web.security.guard import Person

router = APIRouter()


class Me(BaseModel):
    """Who asks, and what they may do."""

    who: str
    name: str
    roles: list[Role]


@router.get("/me")
def me(person: Person) -> Me:
    """Who asks."""
    return Me(who=person.who, name=person.name, roles=sorted(person.roles))
