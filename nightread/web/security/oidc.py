"""Who somebody is, by OpenID Connect: authorization code with PKCE, state and nonce (authlib)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from nightread.errors import ConfigurationError
from nightread.settings import Settings
from nightread.web.paths import CALLBACK
from nightread.web.principal import Role
from nightread.web.services import LOOPBACK

TIMEOUT_S = 10.0
# Signed with a key that only the provider has: never `none`, nor a secret that we hold too.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
LONGEST_NAME = 200
TOKENS = "service:"  # how programs are called in the audit


class NotSignedIn(Exception):  # noqa: N818 -- a state of affairs
    """The provider did not say who somebody is; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider names."""

    who: str
    name: str
    roles: frozenset[Role]


class Provider:
    """The hospital's sign-in, or the local one."""

    def __init__(self, settings: Settings, issuer: str, public_url: str) -> None:
        self.settings = settings
        self.issuer = issuer
        self.redirect_uri = public_url + CALLBACK
        secret = settings.oidc_client_secret_file
        ca = settings.oidc_ca
        self._client = OAuth().register(
            "provider",
            client_id=settings.oidc_client_id or "nightread",
            client_secret=secret.read_text(encoding="utf-8").strip() if secret else None,
            server_metadata_url=issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
                "timeout": TIMEOUT_S,
                "verify": str(ca) if ca else True,
            },
        )

    async def begin(self, request: Request) -> Response:
        """Send the browser there. Raises `NotSignedIn`: the provider does not answer."""
        await self._metadata()
        answer: Response = await self._client.authorize_redirect(request, self.redirect_uri)
        return answer

    async def finish(self, request: Request) -> Person:
        """Who came back. Raises `NotSignedIn`."""
        await self._metadata()
        try:
            token = await self._client.authorize_access_token(request)
        except (OAuthError, JoseError, httpx2.HTTPError, ValueError) as error:
            raise NotSignedIn(
                "The sign-in did not come to its end, or took too long: try again."
            ) from error
        claims = token.get("userinfo")
        if not claims:
            raise NotSignedIn("The sign-in service did not say who you are.")
        return person_of(claims, self.settings)

    async def _metadata(self) -> None:
        try:
            metadata = await self._client.load_server_metadata()
        except (httpx2.HTTPError, ValueError) as error:
            raise NotSignedIn(
                "The sign-in service does not answer at the moment: try again later."
            ) from error
        if metadata.get("issuer") != self.issuer:
            raise NotSignedIn("The sign-in service calls itself otherwise than the settings do.")
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [
            algorithm for algorithm in offered if algorithm in ALGORITHMS
        ]


def check(settings: Settings) -> None:
    """Raises `ConfigurationError` where an issuer can't be trusted, or lacks what goes with it."""
    issuer = urlsplit(settings.oidc_issuer or "")
    if issuer.scheme == "http" and issuer.hostname not in LOOPBACK:
        raise ConfigurationError(
            "NIGHTREAD_OIDC_ISSUER is neither https nor on this machine: anybody on the way could "
            "say who somebody is; for example NIGHTREAD_OIDC_ISSUER=https://login.example"
        )
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise ConfigurationError(
            "NIGHTREAD_OIDC_CLIENT_ID is not set: the provider at NIGHTREAD_OIDC_ISSUER knows "
            "nightread under a name, for example NIGHTREAD_OIDC_CLIENT_ID=nightread"
        )


def person_of(claims: Mapping[str, Any], settings: Settings) -> Person:
    """Whom claims name, with the roles that they list. Raises `NotSignedIn`: they name nobody."""
    who = _named(claims.get(settings.oidc_who_claim))
    if who is None or who.startswith(TOKENS):
        raise NotSignedIn(
            f"The sign-in service gave no usable claim `{settings.oidc_who_claim}`: "
            "tell whoever runs nightread."
        )
    name = _named(claims.get("name")) or _named(claims.get("preferred_username")) or who
    return Person(who, name, roles_in(claims, settings))


def _named(value: object) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
    return str(value) if usable else None


def roles_in(claims: Mapping[str, Any], settings: Settings) -> frozenset[Role]:
    """The roles whose names, behind the prefix, the claim lists; what else is there is ignored."""
    found: Any = claims
    for part in settings.oidc_roles_claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return frozenset(role for role in Role if f"{settings.oidc_role_prefix}{role}" in listed)
