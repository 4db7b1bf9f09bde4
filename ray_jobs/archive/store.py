"""Reading an S3 archive: paginated listing, ranged reads, retries that keep what arrived."""

import configparser
import functools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from time import sleep
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from mammo.codes import Reason
from ray_jobs.faults import ObjectUnreadable, StoreLost
from ray_jobs.records import Listed

ATTEMPTS = 4  # of one request, boto's own back-off between them
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 30
BODY_RESUMES = 4  # how often a body that breaks off is taken up again
MAX_OBJECT_BYTES = 1 << 30  # a single-frame mammogram of 120 megapixels has 240 MB
_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_RESUME_PAUSE_S = 0.5  # doubled at each try
_MAKING = threading.Lock()
_LOOPBACK = re.compile(r"https?://(127\.|localhost|\[::1\])")
_DENIED = frozenset(
    {"SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "ExpiredToken", "403"}
)


_NO_ANSWER = (
    ConnectTimeoutError
    | EndpointConnectionError
    | NoCredentialsError
    | PartialCredentialsError
    | ProxyConnectionError
    | SSLError
)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where the archive is. No secret in it: credentials are a file's path, or the AWS chain."""

    endpoint_url: str | None
    region: str
    ca_bundle: str | None
    credentials_file: str | None  # an AWS shared-credentials file, profile `default`


def client(config: StoreConfig) -> Any:
    """The S3 client of this process for `config`, made once: it takes half a second of CPU."""
    with _MAKING:  # threads that ask at once wait for the first rather than each make one
        return _made(config)


@functools.lru_cache(maxsize=4)
def _made(config: StoreConfig) -> Any:
    keys: dict[str, str] = {}
    if config.credentials_file:
        # Not by its section alone: the default section of a ConfigParser is another thing.
        parser = configparser.ConfigParser(default_section="none", interpolation=None)
        try:
            parser.read(config.credentials_file)
            profile = parser["default"]
        except (configparser.Error, KeyError, UnicodeDecodeError):  # texts quote the file
            raise StoreLost(
                f"No S3 credentials: {config.credentials_file} has no profile [default]."
            ) from None
        keys = {name: profile[name] for name in _CREDENTIALS if name in profile}
    session: Any = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=config.endpoint_url,
        region_name=config.region,
        verify=config.ca_bundle,
        config=Config(
            s3={"addressing_style": "path" if config.endpoint_url else "auto"},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=16,
            # A proxy of the environment does not reach a server of this machine.
            proxies={} if _LOOPBACK.match(config.endpoint_url or "") else None,
            # Any S3 server works, and the client spends 40% less CPU; the study's digest is
            # the check that counts.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **keys,
    )


def pages(config: StoreConfig, bucket: str, prefix: str) -> Iterator[list[Listed]]:
    """The objects whose keys begin with `prefix`, a listing page at a time; folder markers are left out.

    Raises `StoreLost`.
    """
    try:
        paginator = client(config).get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=bucket, Prefix=prefix):
            yield [
                Listed(item["Key"], item["ETag"], item["Size"], item["LastModified"])
                for item in page.get("Contents", [])
                if not (item["Key"].endswith("/") and item["Size"] == 0)
            ]
    except (ClientError, BotoCoreError) as error:
        raise unavailable(error, config, bucket) from None


def read(
    config: StoreConfig, bucket: str, item: Listed, start: int = 0, end: int | None = None
) -> bytes:
    """Bytes `start` to `end` (exclusive) of an object as it was listed.

    A body that breaks off is taken up where it stopped. Raises `ObjectUnreadable` when this object
    cannot be had, `StoreLost` when S3 refuses us altogether.
    """
    stop = item.size if end is None else min(end, item.size)
    if stop - start > MAX_OBJECT_BYTES:
        raise ObjectUnreadable(Reason.TOO_LARGE)
    data = bytearray()
    failure: Exception | None = None
    for attempt in range(1 + BODY_RESUMES):
        if start + len(data) >= stop:
            break
        if attempt:
            sleep(_RESUME_PAUSE_S * 2 ** (attempt - 1))
        try:
            answer = client(config).get_object(
                Bucket=bucket,
                Key=item.key,
                Range=f"bytes={start + len(data)}-{stop - 1}",
                IfMatch=item.etag,
            )
            # Reading the body is outside boto's retries.
            for chunk in answer["Body"].iter_chunks(1 << 20):
                data += chunk
        except ClientError as error:
            if not _may_pass(error):
                raise _object_error(error, config, bucket) from None
            failure = error
        except (BotoCoreError, HTTPError, OSError) as error:
            failure = error
    if start + len(data) < stop:
        # Without an answer it is not the object that is at fault.
        if not data and isinstance(failure, _NO_ANSWER | ClientError):
            raise unavailable(failure, config, bucket)
        raise ObjectUnreadable(Reason.READ_FAILED)
    return bytes(data)


def _may_pass(error: ClientError) -> bool:
    """Whether the server is overloaded or ill: boto's own retries were not enough."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code == "SlowDown" or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _object_error(error: ClientError, config: StoreConfig, bucket: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code in {"NoSuchKey", "404"}:
        return ObjectUnreadable(Reason.OBJECT_GONE)
    if code in {"PreconditionFailed", "InvalidRange", "412", "416"}:
        return ObjectUnreadable(Reason.OBJECT_CHANGED)
    if code in _DENIED - {"AccessDenied"} or code == "NoSuchBucket":
        return unavailable(error, config, bucket)
    return ObjectUnreadable(Reason.READ_FAILED)


def unavailable(error: Exception, config: StoreConfig, bucket: str) -> StoreLost:
    """One sentence: which service, where, what to check. No secret and no key in it."""
    where = f"S3 at {config.endpoint_url or 'AWS'}"
    source = config.credentials_file or "the AWS credential chain"
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if code in {"NoSuchBucket", "404"}:
        return StoreLost(f"{where} has no bucket {bucket!r}: check the bucket's name.")
    if code in _DENIED:
        return StoreLost(
            f"{where} refused the credentials from {source} ({code}): check key and secret, "
            f"and that they may list and read {bucket!r}."
        )
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return StoreLost(
            f"There are no S3 credentials in {source}: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or a shared-credentials file."
        )
    what = code or type(error).__name__
    return StoreLost(
        f"{where} could not be reached ({what}): check NIGHTREAD_S3_ENDPOINT_URL and the network."
    )
