"""A line of the log for each request: which function answered, how, and how long it took.

Never the address: it holds UIDs, and what people filter by.
"""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)


class RequestLog:
    """Sees every request, those too that other middleware answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            endpoint = scope.get("endpoint")
            at = f"{getattr(endpoint, '__module__', '')}.{getattr(endpoint, '__name__', '')}"
            took = round(1000 * (time.perf_counter() - begun), 1)
            log.info("answered", at=at, method=_known(scope["method"]), status=status, ms=took)


def _known(method: str) -> str:
    """A method is any word that somebody sends."""
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
