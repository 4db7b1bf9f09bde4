"""That a change was meant: the request comes from a page of ours."""

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request

from nightread.web.problems import Refusal

SAFE = ("GET", "HEAD", "OPTIONS")
FIELD, HEADER = "csrf_token", "X-CSRF-Token"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def token_of(secret: str) -> str:
    """What a form must hold: made of the session's secret, which it does not give away."""
    return hashlib.sha256(b"csrf " + secret.encode()).hexdigest()


async def check(request: Request, public_url: str, token: str) -> None:
    """Raises `Refusal` (403) unless origin and token are ours."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin)[:2] != urlsplit(public_url)[:2]:
        raise Refusal(403, "The request came from a page of another site: nothing was changed.")
    given = request.headers.get(HEADER)
    if given is None and request.headers.get("content-type", "").startswith(FORMS):
        field = (await request.form()).get(FIELD)
        given = field if isinstance(field, str) else None
    if given is None or not hmac.compare_digest(given.encode(), token.encode()):
        raise Refusal(403, "The page is out of date: load it again, then repeat what you did.")
