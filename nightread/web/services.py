"""What a request needs of the outside: settings and database, made once a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from db.session import connect
from nightread.errors import ConfigurationError
from nightread.settings import Settings
from nightread.web.principal import Role

STATEMENT_TIMEOUT_S = 10  # a page costs milliseconds; whoever waits longer has left
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# A role's rights hold until the transaction ends.
TAKE_ON = text("SELECT set_config('role', :role, true)")


@dataclass(frozen=True, slots=True)
class Services:
    """Made by `open_services`."""

    settings: Settings
    public_url: str  # as browsers see it, without a slash at its end
    database: Engine
    identity: Engine | None  # None: nobody is told whose a study is

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @contextmanager
    def session(self, role: Role | None = None) -> Iterator[Session]:
        """A transaction under a role's rights; without one, of the server's own tables."""
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            if role is not None:
                session.execute(TAKE_ON, {"role": f"nightread_{role}"})
            yield session

    def close(self) -> None:
        self.database.dispose()
        if self.identity is not None:
            self.identity.dispose()


def public_url(settings: Settings) -> str:
    """As browsers see it. Raises `ConfigurationError`: passwords would travel in the clear."""
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    url = settings.web_public_url or f"http://{host}:{settings.web_port}"
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(
            f"NIGHTREAD_WEB_PUBLIC_URL: {url} is neither https nor this machine alone; put a proxy "
            "with TLS before it and name its address, for example https://worklist.example"
        )
    return url


def open_services(settings: Settings) -> Services:
    """Raises `ConfigurationError`."""
    web = connect(settings.need("web_database_url"), statement_timeout_s=STATEMENT_TIMEOUT_S)
    whose = settings.identity_database_url
    return Services(
        settings=settings,
        public_url=public_url(settings),
        database=web,
        identity=connect(whose, statement_timeout_s=STATEMENT_TIMEOUT_S) if whose else None,
    )


def _services(request: HTTPConnection) -> Services:
    services: Services = request.app.state.services
    return services


Serving = Annotated[Services, Depends(_services)]
