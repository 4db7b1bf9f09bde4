"""Where exports go: a folder, a bucket, or a PACS by DICOMweb or C-STORE."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from db.exports import Address
from nightread.errors import ServiceError, UsageError
from nightread.export.objects import Exported
from nightread.jobs import parse_prefix, store_config
from nightread.settings import Settings
from nightread.stack.files import write_private
from ray_jobs.archive import store

Send = Callable[[Exported], None]

FOLDER = 0o700  # a report holds a name
_PEER = re.compile(
    r"(?P<title>[^@\\/\s]{1,16})@(?P<host>\[[0-9A-Fa-f:]+\]|[^@:/\s]+):(?P<port>\d{1,5})"
)
_WEB = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_DICOM = "application/dicom"


@dataclass(frozen=True, slots=True)
class Folder:
    """On this machine; files of mode 0600, replaced at one stroke."""

    path: Path
    is_pacs = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 prefix."""

    bucket: str
    prefix: str
    is_pacs = False


@dataclass(frozen=True, slots=True)
class Web:
    """A DICOMweb server's root, whose STOW-RS is asked."""

    url: str
    is_pacs = True


@dataclass(frozen=True, slots=True)
class Peer:
    """A DICOM application entity."""

    title: str
    host: str
    port: int
    is_pacs = True


Target = Folder | Bucket | Web | Peer


def parse(to: str) -> Target:
    """`DIR`, `s3://bucket/prefix`, `https://host/dicom-web` or `AET@host:port`; raises UsageError."""
    if to.startswith("s3://"):
        prefix = parse_prefix(to)
        return Bucket(prefix.bucket, prefix.key and prefix.key.rstrip("/") + "/")
    if to.startswith(("http://", "https://")):
        if not _WEB.fullmatch(to):
            raise UsageError(
                "--to is no DICOMweb URL: write https://HOST/ROOT, such as "
                "https://pacs.example/dicom-web; a login stands in a file, never in the URL."
            )
        return Web(to.rstrip("/"))
    if found := _PEER.fullmatch(to):
        port = int(found["port"])
        if not 0 < port < 1 << 16:
            raise UsageError(f"--to names the port {port}: it must be 1 to 65535.")
        return Peer(found["title"], found["host"].strip("[]"), port)
    if "://" in to or not to.strip():
        raise UsageError(
            "--to must be a folder, s3://BUCKET/PREFIX, https://HOST/dicom-web or AET@HOST:PORT."
        )
    return Folder(Path(to))


def address(target: Target) -> Address:
    """What is noted of where it goes."""
    match target:
        case Folder(path):
            return Address("folder", str(path.resolve()), os.uname().nodename)
        case Bucket(bucket, prefix):
            return Address("s3", f"s3://{bucket}/{prefix}")
        case Web(url):
            return Address("dicomweb", url)
        case Peer(title, host, port):
            return Address("dicom", f"{title}@{host}:{port}")


def export_store(settings: Settings) -> store.StoreConfig:
    """How the buckets of exports are reached."""
    config = store_config(settings)
    if settings.export_s3_credentials_file is None:
        return config
    return replace(config, credentials_file=str(settings.export_s3_credentials_file))


@contextmanager
def opened(target: Target, settings: Settings) -> Iterator[Send]:
    """What sends one object after the other to a target.

    Raises ServiceError where it can't be reached or refuses us, Refused where it refuses an
    object, UsageError for a folder that can't be written.
    """
    match target:
        case Folder(path):
            yield _folder(path)
        case Bucket(bucket, prefix):
            yield _bucket(bucket, prefix, settings)
        case Web(url):
            from nightread.export.stow import opened as stow  # noqa: PLC0415 -- only here

            with stow(url, settings) as send:
                yield send
        case Peer(title, host, port):
            from nightread.export.c_store import opened as c_store  # noqa: PLC0415 -- an extra

            with c_store(title, host, port, settings) as send:
                yield send


def _folder(path: Path) -> Send:
    def send(item: Exported) -> None:
        file = path / item.name
        try:
            file.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
            write_private(file, item.data)
        except OSError as error:
            raise UsageError(f"{path} can't be written: {error.strerror}.") from None

    return send


def _bucket(bucket: str, prefix: str, settings: Settings) -> Send:
    config = export_store(settings)
    client = store.client(config)

    def send(item: Exported) -> None:
        try:
            client.put_object(
                Bucket=bucket,
                Key=prefix + item.name,
                Body=item.data,
                ContentType=_DICOM if item.dataset is not None else "application/octet-stream",
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            where = f"S3 at {config.endpoint_url or 'AWS'}"
            if code == "AccessDenied":
                raise ServiceError(
                    f"{where} does not let these credentials write to the bucket {bucket!r}: name "
                    "others in NIGHTREAD_EXPORT_S3_CREDENTIALS_FILE."
                ) from None
            raise ServiceError(str(store.unavailable(error, config, bucket))) from None
        except BotoCoreError as error:
            raise ServiceError(str(store.unavailable(error, config, bucket))) from None

    return send
