"""The web application: settings in, FastAPI out.

Two rooms on one skeleton: `api` (JSON under `/api/v1`, in the OpenAPI document) and `pages` (HTML).
Both say who may ask with `security.guard.requires`, and get an `Access` with a transaction.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from nightread.errors import ConfigurationError
from nightread.previews.service import Previews
from nightread.settings import Settings
from nightread.web import problems
from nightread.web.api.document import described
from nightread.web.api.routes import router as api
from nightread.web.html import STATIC_FOLDER
from nightread.web.pages.routes import router as pages
from nightread.web.paths import API, SIGN_IN, STATIC
from nightread.web.request_log import RequestLog
from nightread.web.security import limits, oidc, sign_in
from nightread.web.security.headers import BoundedBody, SecurityHeaders
from nightread.web.security.local_provider import LocalProvider, router_of
from nightread.web.services import LOOPBACK, Services, open_services

LEAST_KEY = 16  # bytes
SIGN_IN_S = 600  # from leaving for the provider to coming back


def create_app(settings: Settings) -> FastAPI:
    """Raises `ConfigurationError`. Connects to nothing until it is asked."""
    services = open_services(settings)
    app = FastAPI(
        title="nightread",
        version=metadata.version("nightread"),
        description=problems.ABOUT,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(limits.of_address)],
    )
    app.state.services = services
    app.state.limits = limits.Limits.of(settings.web_requests_per_minute)
    app.state.local_provider = None
    app.state.previews = Previews(settings) if settings.previews_url else None
    app.state.provider = _provider(app, services)
    problems.handle(app)
    app.include_router(sign_in.router)
    app.include_router(api, prefix=API)
    app.include_router(pages)
    app.mount(STATIC, StaticFiles(directory=STATIC_FOLDER), name="static")
    app.openapi = partial(described, app)  # type: ignore[method-assign]
    _add_middleware(app, services)
    return app


def _provider(app: FastAPI, services: Services) -> oidc.Provider:
    """The hospital's sign-in; or the local one, on this machine alone."""
    settings = services.settings
    oidc.check(settings)
    if settings.oidc_issuer:
        return oidc.Provider(settings, settings.oidc_issuer, services.public_url)
    if not settings.web_local_sign_in:
        raise ConfigurationError(
            "NIGHTREAD_OIDC_ISSUER is not set: name the service where people sign in, for example "
            "NIGHTREAD_OIDC_ISSUER=https://login.example/realms/hospital, or, on this machine "
            "alone, set NIGHTREAD_WEB_LOCAL_SIGN_IN=true"
        )
    if settings.web_host not in LOOPBACK or urlsplit(services.public_url).hostname not in LOOPBACK:
        raise ConfigurationError(
            "NIGHTREAD_WEB_LOCAL_SIGN_IN=true lets anybody be anybody: it is refused where others "
            "reach the server; set NIGHTREAD_OIDC_ISSUER, or leave NIGHTREAD_WEB_HOST at 127.0.0.1"
        )
    local = LocalProvider(services.public_url, settings.oidc_role_prefix, settings.oidc_roles_claim)
    provider = oidc.Provider(settings, local.issuer, services.public_url)
    app.state.local_provider = local
    app.include_router(router_of(local, provider.redirect_uri))
    return provider


def _add_middleware(app: FastAPI, services: Services) -> None:
    """The last that is added sees a request first."""
    app.add_middleware(
        SessionMiddleware,  # of a sign-in that has begun, and nothing else
        secret_key=_key(services.settings),
        session_cookie="nightread_sign_in",
        max_age=SIGN_IN_S,
        path=SIGN_IN,
        same_site="lax",
        https_only=services.is_https,
    )
    # Another name for this address would be another origin: DNS rebinding.
    host = urlsplit(services.public_url).hostname or ""
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host], www_redirect=False)
    app.add_middleware(BoundedBody)
    app.add_middleware(problems.Failures)
    app.add_middleware(SecurityHeaders, https=services.is_https)
    app.add_middleware(RequestLog)


def _key(settings: Settings) -> str:
    """What signs that cookie. Raises `ConfigurationError`."""
    if settings.web_key_file is None:
        return secrets.token_hex(32)
    key = settings.web_key_file.read_bytes().strip()
    if len(key) < LEAST_KEY:
        raise ConfigurationError(
            f"NIGHTREAD_WEB_KEY_FILE: {settings.web_key_file} holds fewer than {LEAST_KEY} bytes; "
            "32 random ones will do: head -c 32 /dev/urandom | base64"
        )
    return key.hex()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.services.close()
    if app.state.previews is not None:
        app.state.previews.close()
