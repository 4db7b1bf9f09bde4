"""The server itself: one process of uvicorn around the application."""

import logging
import socket
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from nightread.errors import ConfigurationError
from nightread.jobs import said_plainly
from nightread.settings import Settings
from nightread.web.services import Services

REACHED = text("SELECT FROM web_sessions LIMIT 0")
GRACE_S = 10  # for requests that are being answered


def check_database(services: Services) -> None:
    """Raises `UsageError` or `ServiceError`: what a request would stumble over."""
    with (
        said_plainly(services.settings, "web_database_url"),
        services.session() as session,
    ):
        session.execute(REACHED)


def listen(settings: Settings) -> socket.socket:
    """Raises `ConfigurationError`: the address is taken, or not this machine's."""
    host, port = settings.web_host, settings.web_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigurationError(
            f"NIGHTREAD_WEB_HOST and NIGHTREAD_WEB_PORT: {host}:{port} can't be listened at "
            f"({error.strerror}); for example NIGHTREAD_WEB_PORT=8091"
        ) from None
    # asyncio sets it on sockets of its own making alone; without it each answer takes 40 ms more.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Its own log has no line a request: addresses hold UIDs."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.web_proxies),
        forwarded_allow_ips=settings.web_proxies,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=64 * 1024,
        limit_concurrency=500,
    )
    return uvicorn.Server(config)


def address_of(app: FastAPI) -> str:
    """What to tell people."""
    services: Services = app.state.services
    local = app.state.local_provider
    code = f" (to sign in: {local.code})" if local is not None else ""
    host = urlsplit(services.public_url).geturl()
    return f"Worklist: {host}/{code}"
