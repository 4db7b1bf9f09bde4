"""Signing in and out."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Annotated, TypeVar

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from db import audit, credentials
from nightread.web.html import page
from nightread.web.paths import CALLBACK, SIGN_IN, SIGN_OUT, own_path
from nightread.web.problems import Refusal
from nightread.web.security import cookies, limits
from nightread.web.security.guard import Meant, Person
from nightread.web.security.oidc import NotSignedIn, Provider
from nightread.web.security.oidc import Person as Named
from nightread.web.services import Services, Serving

log = structlog.get_logger(__name__)
router = APIRouter(include_in_schema=False)
T = TypeVar("T")
NEXT = "next"
SEE_OTHER = 303


def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


Providing = Annotated[Provider, Depends(_provider)]


@router.get(SIGN_IN)
async def sign_in(request: Request, provider: Providing, next: str | None = None) -> Response:  # noqa: A002 -- the query's word
    """Off to the provider, with the way back."""
    limits.strangers(request)
    request.session[NEXT] = own_path(next)
    return await _unless_refused(provider.begin(request))


@router.get(CALLBACK)
async def come_back(request: Request, provider: Providing, services: Serving) -> Response:
    """Signed in, if the provider says so and knows a role."""
    limits.strangers(request)
    person = await _unless_refused(provider.finish(request))
    then = own_path(request.session.pop(NEXT, None))
    secret = await run_in_threadpool(_begin, services, person)
    if secret is None:
        raise Refusal(
            403, f"{person.name} has no role in nightread: ask whoever manages accounts for one."
        )
    answer = RedirectResponse(then, SEE_OTHER)
    cookies.set_secret(answer, services, secret)
    return answer


async def _unless_refused(coming: Awaitable[T]) -> T:
    try:
        return await coming
    except NotSignedIn as error:
        log.warning("sign-in failed", why=type(error.__cause__ or error).__name__)
        raise Refusal(400, str(error)) from None


def _begin(services: Services, person: Named) -> str | None:
    """What the cookie is to hold; None: there is no role. The audit has it either way."""
    lasts = timedelta(hours=services.settings.web_session_hours)
    with services.session() as session:
        if not person.roles:
            audit.note(session, person.who, "sign_in_refused")
            return None
        audit.note(session, person.who, "signed_in", roles=sorted(person.roles))
        return credentials.begin_session(session, person.who, person.name, person.roles, lasts)


@router.post(SIGN_OUT)
def sign_out(request: Request, services: Serving, person: Person, _: Meant) -> Response:
    """The session ends here and in the database; nobody can go on with a copied cookie."""
    if (secret := cookies.secret_in(request, services)) is not None and person.csrf is not None:
        with services.session() as session:
            credentials.end_session(session, secret)
            audit.note(session, person.who, "signed_out")
    answer = RedirectResponse("/signed-out", SEE_OTHER)
    cookies.forget(answer, services)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@router.get("/signed-out")
def signed_out(request: Request) -> HTMLResponse:
    """Where one lands after that."""
    return page(request, "signed_out.html", {})
