"""An OpenID Connect provider for this machine alone: who has the code says who they are.

For laptops and tests. `nightread serve` prints the code when it starts; the provider is refused
wherever the server can be reached from elsewhere. It gives authorization codes for PKCE (S256) and
nothing else.
"""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import ECKey

from nightread.web.html import page
from nightread.web.paths import LOCAL_PROVIDER
from nightread.web.principal import Role
from nightread.web.problems import Refusal
from nightread.web.security import limits

LIVES_S = 60  # an authorization code
CLIENT = "nightread"
MOST_CODES = 1000


@dataclass(frozen=True, slots=True)
class _Granted:
    """What an authorization code stands for."""

    who: str
    roles: tuple[str, ...]
    nonce: str
    challenge: str
    redirect_uri: str
    until: float


@dataclass(slots=True)
class LocalProvider:
    """Its keys and codes live as long as the server."""

    public_url: str
    role_prefix: str
    roles_claim: str
    code: str = field(default_factory=lambda: secrets.token_hex(6), repr=False)
    _key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig"}))
    _granted: dict[str, _Granted] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.public_url + LOCAL_PROVIDER

    def grant(self, granted: _Granted) -> str:
        """An authorization code, good once."""
        now = time.monotonic()
        self._granted = {key: g for key, g in self._granted.items() if g.until > now}
        if len(self._granted) >= MOST_CODES:
            raise Refusal(429, "Too many sign-ins at once: wait a minute, then try again.")
        code = secrets.token_urlsafe(24)
        self._granted[code] = granted
        return code

    def token(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any] | None:
        """The answer to a code and the verifier whose challenge came with it."""
        granted = self._granted.pop(code, None)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            granted is None
            or granted.until <= time.monotonic()
            or granted.redirect_uri != redirect_uri
            or not hmac.compare_digest(granted.challenge.encode(), challenge.encode())
        ):
            return None
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": granted.who,
            "name": granted.who,
            "preferred_username": granted.who,
            "email": granted.who,
            "aud": CLIENT,
            "iat": now,
            "exp": now + LIVES_S,
            "nonce": granted.nonce,
        }
        listed: Any = [self.role_prefix + role for role in granted.roles]
        for part in reversed(self.roles_claim.split(".")):
            listed = {part: listed}
        header = {"alg": "ES256", "kid": self._key.thumbprint()}
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": LIVES_S,
            "id_token": jwt.encode(header, claims | listed, self._key),
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [{**self._key.as_dict(private=False), "kid": self._key.thumbprint()}]}


def router_of(provider: LocalProvider, redirect_uri: str) -> APIRouter:
    """The provider's addresses; codes go to `redirect_uri` alone."""
    router = APIRouter(prefix=LOCAL_PROVIDER, include_in_schema=False)
    here = provider.issuer

    @router.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, Any]:
        return {
            "issuer": here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    @router.get("/keys")
    def keys() -> dict[str, Any]:
        return provider.keys()

    @router.get("/authorize")
    def ask(
        request: Request,
        state: Annotated[str, Query(max_length=200)],
        nonce: Annotated[str, Query(max_length=200)],
        code_challenge: Annotated[str, Query(max_length=200)],
    ) -> HTMLResponse:
        hidden = {"state": state, "nonce": nonce, "code_challenge": code_challenge}
        return page(request, "local_sign_in.html", {"hidden": hidden, "roles": list(Role)})

    @router.post("/authorize")
    def answer(
        request: Request,
        who: Annotated[str, Form(min_length=1, max_length=60)],
        code: Annotated[str, Form(max_length=100)],
        state: Annotated[str, Form(max_length=200)],
        nonce: Annotated[str, Form(max_length=200)],
        code_challenge: Annotated[str, Form(max_length=200)],
        role: Annotated[list[Role], Form()],
    ) -> Response:
        limits.strangers(request)
        if not hmac.compare_digest(code.strip().encode(), provider.code.encode()):
            raise Refusal(403, "This is not the code that `nightread serve` printed.")
        until = time.monotonic() + LIVES_S
        granted = _Granted(who, tuple(role), nonce, code_challenge, redirect_uri, until)
        back = urlencode({"code": provider.grant(granted), "state": state})
        return RedirectResponse(f"{redirect_uri}?{back}", 303)

    @router.post("/token")
    def token(
        code: Annotated[str, Form(max_length=200)],
        code_verifier: Annotated[str, Form(max_length=200)],
        redirect_uri: Annotated[str, Form(max_length=500)],
    ) -> JSONResponse:
        given = provider.token(code, code_verifier, redirect_uri)
        if given is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(given)

    return router
