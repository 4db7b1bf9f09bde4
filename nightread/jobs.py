"""From settings to a job, and from what a job raises to what a person reads."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from db import runs
from db.lock import RunLocked
from db.session import connect
from db.sites import SiteError
from mammo.pseudonym import Pseudonyms
from nightread.errors import (
    ConfigurationError,
    Interrupted,
    LockedError,
    NightreadError,
    ServiceError,
    UsageError,
)
from nightread.settings import Settings
from ray_jobs.archive.store import StoreConfig
from ray_jobs.faults import ServiceLost
from ray_jobs.inference.client import TritonConfig
from ray_jobs.job import Job, who_am_i
from triton_repo.release import Release

_UNDEFINED_TABLE, _NO_PERMISSION = "42P01", "42501"
_RIGHTS = {
    "database_url": "make it a member of nightread_app",
    "identity_database_url": "make it a member of nightread_identity",
    "erasure_database_url": "make it a member of nightread_erasure",
    "migration_database_url": "name the schema's owner in NIGHTREAD_MIGRATION_DATABASE_URL",
    "web_database_url": "grant it what docs/web.md lists",
    "audit_database_url": "make it a member of nightread_auditor",
}


def parse_prefix(url: str) -> runs.Prefix:
    """`s3://bucket/prefix`; raises `UsageError`."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageError(
            f"{url!r} is not an S3 prefix: write s3://BUCKET/PREFIX, such as s3://archive/2026/"
        )
    return runs.Prefix(bucket, key)


def store_config(settings: Settings) -> StoreConfig:
    """How the archive is reached."""
    return StoreConfig(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region or "us-east-1",
        ca_bundle=str(settings.s3_ca_bundle) if settings.s3_ca_bundle else None,
        credentials_file=str(settings.s3_credentials_file)
        if settings.s3_credentials_file
        else None,
    )


def triton_config(settings: Settings) -> TritonConfig:
    """Where the ensemble is served; raises `ConfigurationError` when nothing says so."""
    settings.need("triton_url")
    ca = settings.triton_ca
    return TritonConfig(settings.triton_urls, str(ca) if ca else None)


def pseudonyms_of(settings: Settings) -> Pseudonyms:
    """Under the key that the settings name; raises `ConfigurationError` when it can't be used."""
    key = Path(settings.need("pseudonym_key_file"))
    try:
        return Pseudonyms(key.read_bytes().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The pseudonym key in {key} can't be used: {error}; "
            "32 random bytes will do: head -c 32 /dev/urandom"
        ) from None


def job_of(
    settings: Settings,
    prefix: runs.Prefix,
    release: Release,
    *,
    ray_address: str | None = None,
    limit: int | None = None,
) -> Job:
    """A job as the settings say; raises `ConfigurationError` for what is missing."""
    pseudonyms = pseudonyms_of(settings)
    return Job(
        prefix=prefix,
        release=release,
        store=store_config(settings),
        triton=triton_config(settings),
        engine=connect(settings.need("database_url")),
        pseudonyms=pseudonyms,
        settle_minutes=settings.settle_minutes,
        ray_address=ray_address or settings.ray_address,
        window=settings.window,
        study_timeout_s=settings.study_timeout_s,
        study_memory_mb=settings.study_memory_mb,
        limit=limit,
        who=who_am_i(),
        code_version=code_version(),
    )


Login = Literal[
    "audit_database_url",
    "database_url",
    "erasure_database_url",
    "identity_database_url",
    "migration_database_url",
    "web_database_url",
]


@contextmanager
def said_plainly(settings: Settings, login: Login = "database_url") -> Iterator[None]:
    """Turn what a service did to us into one sentence and an exit code."""
    try:
        yield
    except ServiceLost as error:
        raise ServiceError(str(error)) from None
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what is done stands, run again to go on") from None
    except RunLocked as error:
        who = error.who or "another process"
        since = f" since {error.since:%Y-%m-%d %H:%M} UTC" if error.since else ""
        raise LockedError(
            f"Another run holds this prefix and release: {who}{since}. Wait for it, or stop it."
        ) from None
    except SiteError as error:
        raise ConfigurationError(f"{error} Correct its row in the table `sites`.") from None
    except DBAPIError as error:
        raise _database_said(error, settings, login) from None


def _database_said(error: DBAPIError, settings: Settings, login: Login) -> NightreadError:
    url = make_url(settings.need(login))
    variable = f"NIGHTREAD_{login.upper()}"
    where = f"PostgreSQL at {url.host}:{url.port or 5432}"
    code = getattr(error.orig, "pgcode", None)
    if code == _UNDEFINED_TABLE:
        return UsageError(
            f"{where} does not have nightread's tables: run `nightread db upgrade` first."
        )
    if code == _NO_PERMISSION:
        return ServiceError(
            f"{where} refused {url.username!r} a right that it needs: {_RIGHTS[login]}."
        )
    if isinstance(error, OperationalError):
        text = str(error.orig)
        if "authentication failed" in text or "no password supplied" in text:
            return ServiceError(
                f"{where} refused the password of {url.username!r}: check the passfile that "
                f"{variable} names."
            )
        return ServiceError(
            f"{where} could not be reached, or went away: check {variable} and that "
            "the server runs."
        )
    return ServiceError(f"{where} refused a statement (SQLSTATE {code}): see the server's log.")


@cache
def code_version() -> str:
    """The package's version and, in a checkout, its commit."""
    version = metadata.version("nightread")
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return version
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # a checkout without git
        return version
    commit = asked.stdout.strip()
    return f"{version}+{commit}" if commit else version
