"""What a browser is told with every answer, and bodies that are too large refused."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightread.web.paths import STATIC
from nightread.web.problems import problem

# Nothing but what lies on this server: no inline script or style, no frame, no form to elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers older than frame-ancestors
    # Addresses hold UIDs. With no-referrer a browser sends forms with the origin `null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
CACHE = "Cache-Control"
LONGEST_BODY = 1_000_000  # bytes: some ten thousand read states


class SecurityHeaders:
    """Sets them, and keeps what is not static out of caches unless a route says otherwise."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = {**HEADERS, **(TRANSPORT if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
                if CACHE not in headers:
                    static = scope["path"].startswith(STATIC)
                    headers[CACHE] = "public, max-age=3600" if static else "no-store"
            await send(message)

        await self.app(scope, receive, with_headers)


class BoundedBody:
    """Answers 413 to a body over `LONGEST_BODY`, whatever it says of its length."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > LONGEST_BODY:
            await _too_long(scope, receive, send)
            return
        # Read here, as little as it is: once an answer has begun it can't be taken back.
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # who asked has gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > LONGEST_BODY:
                await _too_long(scope, receive, send)
                return
        await self.app(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _too_long(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(413, f"The body is longer than {LONGEST_BODY} bytes: send it in parts.")
    await answer(scope, receive, send)
