"""The cookie of somebody who is signed in."""

from fastapi import Request, Response

from nightread.web.services import Services

# Over https no other host of the domain can set it, and it never travels in the clear.
SECURE, PLAIN = "__Host-nightread", "nightread"


def name_of(services: Services) -> str:
    return SECURE if services.is_https else PLAIN


def secret_in(request: Request, services: Services) -> str | None:
    return request.cookies.get(name_of(services))


def set_secret(response: Response, services: Services, secret: str) -> None:
    """Until the browser is closed; when it ends earlier is the server's affair."""
    response.set_cookie(
        name_of(services), secret, secure=services.is_https, httponly=True, samesite="lax"
    )


def forget(response: Response, services: Services) -> None:
    response.delete_cookie(
        name_of(services), secure=services.is_https, httponly=True, samesite="lax"
    )
