"""Addresses that several modules name."""

from urllib.parse import urlencode

from starlette.requests import Request

API = "/api/v1"
STATIC = "/static"
SIGN_IN, SIGN_OUT, CALLBACK = "/sign-in", "/sign-out", "/sign-in/callback"
LOCAL_PROVIDER = "/local-provider"


def with_next(address: str, request: Request) -> str:
    """`address`, which sends on to the page that was asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{address}?{urlencode({'next': request.url.path + query})}"


LONGEST = 1000  # characters; it travels in a cookie, which holds 4,096 bytes


def own_path(value: str | None) -> str:
    """`value` if it is a path of ours, else the first page: nobody is sent elsewhere."""
    if not value or not value.startswith("/") or value[1:2] in ("/", "\\"):
        return "/"
    return value if value.isprintable() and len(value) <= LONGEST else "/"
