"""Who may ask for a route.

How pages and API use it:

    Readers = Annotated[Access, requires(Role.READER, Role.SUPERVISOR)]

    @router.get("/studies/{study_uid}")
    def study(study_uid: Uid, access: Readers) -> ...:
        access.principal.who     # who asks
        access.session           # a transaction under that role's rights in the database,
                                 # committed before the answer goes out; rolled back on an error

There is no session without a guard, and a guard's roles can be read off the application
(`guard_of`): the table of routes and roles is made of that. A request that changes something
and comes with a cookie must hold the token `access.principal.csrf`, as form field `csrf_token` or
as header `X-CSRF-Token`, and come from our own origin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from db import credentials
from nightread.web.principal import Principal, Role
from nightread.web.problems import Refusal
from nightread.web.security import cookies, csrf, limits
from nightread.web.services import Services, Serving

BEARER = HTTPBearer(auto_error=False, description="A token of `nightread tokens issue`.")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="nightread"'}


@dataclass(frozen=True, slots=True)
class Access:
    """A request that is allowed."""

    principal: Principal
    role: Role  # of the principal's, that which the route asks for
    session: Session
    services: Services


def signed_in(
    request: Request,
    services: Serving,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> Principal:
    """Who asks; refuses a stranger (401)."""
    principal = _by_token(services, bearer.credentials) if bearer else _by_cookie(request, services)
    if principal is None:
        limits.strangers(request)
        raise Refusal(401, _STRANGER[bearer is None], CHALLENGE)
    limits.of_principal(request, principal.who)
    return principal


_STRANGER = {
    True: "Sign in, or send a token as `Authorization: Bearer`.",
    False: "This token is not known, has expired or was revoked.",
}


def _by_token(services: Services, token: str) -> Principal | None:
    with services.session() as session:
        found = credentials.token_of(session, token)
    if found is None:
        return None
    name, role = found
    return Principal(f"service:{name}", name, frozenset({Role(role)}))


def _by_cookie(request: Request, services: Services) -> Principal | None:
    secret = cookies.secret_in(request, services)
    if secret is None:
        return None
    idle = timedelta(minutes=services.settings.web_idle_minutes)
    with services.session() as session:
        found = credentials.signed_in(session, secret, idle)
    if found is None:
        return None
    roles = frozenset(Role(role) for role in found.roles)
    return Principal(found.who, found.name, roles, csrf.token_of(secret))


async def meant(
    request: Request, services: Serving, principal: Annotated[Principal, Depends(signed_in)]
) -> None:
    """Refuses (403) a change that another site's page may have sent with somebody's cookie."""
    if principal.csrf is not None and request.method not in csrf.SAFE:
        await csrf.check(request, services.public_url, principal.csrf)


Person = Annotated[Principal, Depends(signed_in)]
Meant = Annotated[None, Depends(meant)]


class Guard:
    """A dependency that lets in who has one of `roles`, and gives them an `Access`."""

    def __init__(self, *roles: Role, also: Role | None = None) -> None:
        self.roles = roles  # the first that somebody has is the one whose rights are taken on
        self.also = also  # is needed beside it

    def __str__(self) -> str:
        one_of = " or ".join(self.roles)
        return f"{one_of}, with {self.also}" if self.also else one_of

    def __call__(self, principal: Person, services: Serving, _: Meant) -> Iterator[Access]:
        role = next((role for role in self.roles if role in principal), None)
        if role is None or (self.also is not None and self.also not in principal):
            raise Refusal(403, f"This is for the role {self}, which {principal.name} has not.")
        with services.session(role) as session:
            yield Access(principal, role, session, services)


def requires(*roles: Role, also: Role | None = None) -> Any:
    """See above. The transaction ends before the answer goes out."""
    return Depends(Guard(*roles, also=also), scope="function")


def guard_of(dependant: Dependant) -> Guard | None:
    """Who may ask for a route; None: it has no session in the database."""
    calls = (inner.call for inner in dependant.dependencies)
    return next((call for call in calls if isinstance(call, Guard)), None)
