"""Settings: from the environment (`NIGHTREAD_…`), then from a TOML file.

The file is the one that `--config` names, or else `.nightread/nightread.toml`, which
`nightread stack up` writes. A wrong value is one sentence: which setting, what is wrong, an example.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FilePath, NonNegativeInt, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from nightread.errors import ConfigurationError
from triton_repo.release import DEFAULT_DIR

PREFIX = "NIGHTREAD_"
STACK_FILE = Path(".nightread") / "nightread.toml"

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}")


def _database_url(value: str) -> str:
    """A psycopg2 URL whose password, if any, is in a file of its own."""
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("it is not a database URL") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg2")
    if url.drivername != "postgresql+psycopg2":
        raise ValueError("only PostgreSQL through psycopg2 is supported")
    if url.password is not None or "password" in url.query:
        raise ValueError("a password must not stand in it: name a password file (passfile=)")
    if not url.database:
        raise ValueError("it names no database")
    return url.render_as_string()


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+/?", value):
        raise ValueError("it must be http:// or https:// and a host, without a path")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s?#]+", value):
        raise ValueError("it must be the issuer's URL, without query")
    return value


def _addresses(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    if not all(_ADDRESS.fullmatch(part) for part in parts):
        raise ValueError("it must be host:port of Triton's gRPC, several with commas between")
    return ",".join(parts)


def _ae_title(value: str) -> str:
    if not re.fullmatch(r"[!-\[\]-~]{1,16}", value):
        raise ValueError("it must be an AE title: 1 to 16 letters, without a backslash")
    return value


def _s3_prefix(value: str) -> str:
    if not re.fullmatch(r"s3://[^/\s]+/(\S*/)?", value):
        raise ValueError("it must be s3://BUCKET/ or s3://BUCKET/PREFIX/, with a slash at its end")
    return value


def _viewer(value: str) -> str:
    """A URL with names in braces for what is filled in."""
    names = set(re.findall(r"\{(\w*)\}", value))
    if not re.match(r"https?://[^/\s]+/", value) or not names:
        raise ValueError("it must be a URL with {study_uid}, {accession_number} or both")
    if other := names - {"study_uid", "accession_number"}:
        raise ValueError(f"nothing is known of {{{min(other)}}}")
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
S3Prefix = Annotated[str, AfterValidator(_s3_prefix)]
ViewerUrl = Annotated[str, AfterValidator(_viewer)]
Issuer = Annotated[str, AfterValidator(_issuer)]
Port = Annotated[int, Field(ge=0, le=65535)]
Addresses = Annotated[str, AfterValidator(_addresses)]

EXAMPLES = {
    "database_url": "postgresql://nightread@db.example:5432/nightread?passfile=/etc/nightread/pgpass",
    "migration_database_url": "postgresql://owner@db.example:5432/nightread?passfile=/root/.pgpass",
    "identity_database_url": "postgresql://registrar@db.example:5432/nightread?passfile=/etc/nightread/pgpass",
    "erasure_database_url": "postgresql://eraser@db.example:5432/nightread?passfile=/etc/nightread/pgpass",
    "s3_endpoint_url": "https://s3.example:9000",
    "s3_region": "eu-central-1",
    "s3_ca_bundle": "/etc/nightread/s3-ca.pem",
    "s3_credentials_file": "/etc/nightread/aws-credentials",
    "triton_url": "triton-0.example:8001,triton-1.example:8001",
    "triton_ca": "/etc/nightread/triton-ca.pem",
    "releases_dir": "/srv/nightread/releases",
    "release": "base-2026-11e",
    "ray_address": "ray://head.example:10001",
    "window": "16",
    "settle_minutes": "60",
    "study_timeout_s": "600",
    "study_memory_mb": "2048",
    "pseudonym_key_file": "/etc/nightread/pseudonym.key",
    "log_format": "json",
    "export_s3_credentials_file": "/etc/nightread/export-credentials",
    "dicomweb_ca": "/etc/nightread/pacs-ca.pem",
    "dicomweb_credentials_file": "/etc/nightread/pacs-credentials",
    "dicom_aet": "NIGHTREAD",
    "backup_days": "35",
    "keep_superseded_days": "730",
    "keep_runs_days": "730",
    "keep_counts_days": "1825",
    "keep_exports_days": "3650",
    "keep_sign_ins_days": "30",
    "triton_env": ".venv-triton",
    "previews_url": "s3://previews/",
    "previews_s3_credentials_file": "/etc/nightread/previews-credentials",
    "pacs_viewer_url": "https://pacs.example/viewer?StudyInstanceUIDs={study_uid}",
    "web_database_url": "postgresql://server@db.example:5432/nightread?passfile=/etc/nightread/pgpass",
    "web_host": "127.0.0.1",
    "web_port": "8090",
    "web_public_url": "https://worklist.example",
    "web_proxies": "10.0.0.7",
    "web_key_file": "/etc/nightread/web.key",
    "web_local_sign_in": "true",
    "web_idle_minutes": "30",
    "web_session_hours": "12",
    "web_requests_per_minute": "600",
    "oidc_issuer": "https://login.example/realms/hospital",
    "oidc_client_id": "nightread",
    "oidc_client_secret_file": "/etc/nightread/oidc-secret",
    "oidc_ca": "/etc/nightread/login-ca.pem",
    "oidc_who_claim": "sub",
    "oidc_roles_claim": "groups",
    "oidc_role_prefix": "nightread-",
    "audit_database_url": "postgresql://archivist@db.example:5432/nightread?passfile=/etc/nightread/pgpass",
    "audit_key_file": "/etc/nightread/audit.pem",
}


class Settings(BaseSettings):
    """Each is `NIGHTREAD_` and its name in capitals in the environment, its name in the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    database_url: DatabaseUrl | None = None  # the job's login
    migration_database_url: DatabaseUrl | None = None  # the schema owner's; else the job's
    identity_database_url: DatabaseUrl | None = None  # who may ask whose a pseudonym is
    erasure_database_url: DatabaseUrl | None = (
        None  # who may erase, and delete what is kept no longer
    )
    s3_endpoint_url: HttpUrl | None = None  # None: AWS itself
    s3_region: str | None = None
    s3_ca_bundle: FilePath | None = None
    s3_credentials_file: FilePath | None = None  # None: the ordinary AWS credential chain
    triton_url: Addresses | None = None
    triton_ca: FilePath | None = None  # None: no TLS
    releases_dir: Path = DEFAULT_DIR
    release: str | None = None  # None: the newest
    ray_address: str | None = None  # None: a local Ray
    window: PositiveInt | None = None  # studies in flight; None: from the cluster's cores
    settle_minutes: NonNegativeInt = 60  # a study with a younger object is screened last
    study_timeout_s: PositiveInt = 600
    study_memory_mb: PositiveInt = 2048
    pseudonym_key_file: FilePath | None = None
    log_format: Literal["console", "json"] = "console"
    export_s3_credentials_file: FilePath | None = None  # None: those that read the archive
    dicomweb_ca: FilePath | None = None  # None: the system's
    dicomweb_credentials_file: FilePath | None = None  # `user:password` or `Bearer TOKEN`
    dicom_aet: AeTitle = "NIGHTREAD"  # what we call ourselves to a PACS
    backup_days: NonNegativeInt | None = None  # how long a backup is kept; None: nobody has said
    # After how many days what is kept no longer goes; None: never.
    keep_superseded_days: PositiveInt | None = None  # results that another one took the place of
    keep_runs_days: PositiveInt | None = None  # runs that ended
    keep_counts_days: PositiveInt | None = None  # scores of sites by night
    keep_exports_days: PositiveInt | None = None  # what went out where
    keep_sign_ins_days: PositiveInt | None = None  # sessions and tokens that ended
    triton_env: Path | None = None  # None: `.venv-triton` beside our own environment
    previews_url: S3Prefix | None = None  # where previews are kept; None: nobody sees images
    previews_s3_credentials_file: FilePath | None = None  # None: those that read the archive
    pacs_viewer_url: ViewerUrl | None = None  # of a study in the hospital's own viewer
    web_database_url: DatabaseUrl | None = None  # the server's login
    web_host: str = "127.0.0.1"  # where the server listens
    web_port: Port = 8090
    web_public_url: HttpUrl | None = None  # as browsers see it; None: http at host and port
    web_proxies: str = ""  # whose X-Forwarded-For is believed, with commas between
    web_key_file: FilePath | None = None  # the same for several servers; None: drawn at start
    web_local_sign_in: bool = False  # anybody on this machine who has the code; loopback alone
    web_idle_minutes: PositiveInt = 30  # without a request, then one signs in again
    web_session_hours: PositiveInt = 12  # whatever one does, then one signs in again
    web_requests_per_minute: PositiveInt = 600  # of one person or program
    oidc_issuer: Issuer | None = None  # who says who somebody is
    oidc_client_id: str | None = None
    oidc_client_secret_file: FilePath | None = None  # None: a public client, PKCE alone
    oidc_ca: FilePath | None = None  # None: the system's
    oidc_who_claim: str = "sub"  # what somebody is called in claims, decisions and the audit
    oidc_roles_claim: str = "roles"  # a claim that lists roles; dots lead into objects
    oidc_role_prefix: str = "nightread-"  # before a role's name in that list
    audit_database_url: DatabaseUrl | None = None  # who takes the audit away
    audit_key_file: FilePath | None = None  # Ed25519, PEM: signs what is taken away

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values are the arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @property
    def triton_urls(self) -> tuple[str, ...]:
        """Every Triton's host:port."""
        return tuple(self.triton_url.split(",")) if self.triton_url else ()

    def need(
        self,
        name: Literal[
            "database_url",
            "erasure_database_url",
            "identity_database_url",
            "migration_database_url",
            "pseudonym_key_file",
            "triton_url",
            "web_database_url",
            "audit_database_url",
            "audit_key_file",
        ],
    ) -> str:
        """A setting that this command can't do without. Raises ConfigurationError."""
        value = getattr(self, name)
        if value is None and name == "migration_database_url":
            value = self.database_url
        if value is None:
            raise ConfigurationError(
                f"{PREFIX}{name.upper()} is not set: run `nightread stack up` here, or set it, for "
                f"example {PREFIX}{name.upper()}={EXAMPLES[name]}"
            )
        return str(value)


class _FileAlone(Settings):
    """What a file says, whatever the environment does."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def _sentence(error: ValidationError, file: Path | None) -> str:
    """The first fault in words. The value itself is not shown: it may hold a password."""
    fault = error.errors(include_input=False, include_url=False)[0]
    name = str(fault["loc"][0])
    variable = f"{PREFIX}{name.upper()}"
    if name not in Settings.model_fields:
        return f"`{name}` in {file} is not a setting of nightread: remove it or correct its name."
    from_file = os.environ.get(variable, "") == "" and file is not None
    where = f"`{name}` in {file}" if from_file else variable
    what = str(fault["msg"]).removeprefix("Value error, ")
    example = f'{name} = "{EXAMPLES[name]}"' if from_file else f"{variable}={EXAMPLES[name]}"
    return f"{where} is wrong: {what[0].lower()}{what[1:]}; for example {example}"


def load_settings(
    config: Path | None = None,
    *,
    stack_file: Path | None = STACK_FILE,
    environment: bool = True,
) -> Settings:
    """Read the settings: `config`, or `stack_file` where it exists, under the environment.

    Without `environment` the file alone counts: a demonstration must not touch the services
    that the environment names. Raises ConfigurationError with one sentence for a wrong value, an unknown name in the file,
    or a file that can't be read.
    """
    file = config or (stack_file if stack_file is not None and stack_file.exists() else None)
    table: dict[str, Any] = {}
    if file is not None:
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(
                f"The settings file {file} can't be read: {error.strerror}."
            ) from None
        except ValueError as error:  # not TOML, not UTF-8
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"The settings file {file} is not TOML: {reason}.") from None
    try:
        return Settings(**table) if environment else _FileAlone(**table)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, file)) from None
