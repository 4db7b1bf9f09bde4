"""Where something of a study lies outside the database, and taking it away from there."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from db.erasure import Sent
from nightread.errors import ServiceError
from nightread.export.targets import export_store
from nightread.jobs import parse_prefix, store_config
from nightread.settings import Settings
from ray_jobs.archive import store
from ray_jobs.archive.store import StoreConfig


class Bucket:
    """A bucket of ours, from which objects are removed."""

    def __init__(self, name: str, config: StoreConfig, setting: str) -> None:
        self._name = name
        self._config = config
        self._setting = setting  # that names the credentials
        self._client: Any = store.client(config)

    def under(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`."""
        try:
            return list(self._listed(prefix))
        except (BotoCoreError, ClientError) as error:
            raise self._said(error) from None

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is as good as removed."""
        try:
            self._client.delete_object(Bucket=self._name, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise self._said(error) from None

    def keeps_versions(self) -> bool:
        """Whether what is removed stays as an older version."""
        try:
            said = self._client.get_bucket_versioning(Bucket=self._name)
        except (BotoCoreError, ClientError):
            return False  # nobody says so, or we may not ask
        return bool(said.get("Status"))

    def _listed(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._name, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", ()))

    def _said(self, error: BotoCoreError | ClientError) -> ServiceError:
        denied = isinstance(error, ClientError) and (
            error.response.get("Error", {}).get("Code") == "AccessDenied"
        )
        if denied:
            return ServiceError(
                f"S3 does not let these credentials list or remove in the bucket {self._name!r}: "
                f"name others in {self._setting}."
            )
        return ServiceError(str(store.unavailable(error, self._config, self._name)))


class Exports:
    """What `nightread export` sent, as far as it can be reached from here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, Bucket] = {}

    def reaches(self, one: Sent) -> bool:
        """Whether it lies in a bucket, or in a folder of this machine, and is of one study alone."""
        here = one.target == "s3" or (one.target == "folder" and one.host == os.uname().nodename)
        return here and one.sop_instance_uid is not None

    def remove(self, one: Sent) -> None:
        if one.target == "folder":
            _remove_file(Path(one.place) / one.name)
        else:
            prefix = parse_prefix(one.place)
            self._bucket(prefix.bucket).remove(prefix.key + one.name)

    def keeps_versions(self, one: Sent) -> bool:
        return one.target == "s3" and self._bucket(parse_prefix(one.place).bucket).keeps_versions()

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            self._buckets[name] = Bucket(
                name, export_store(self._settings), "NIGHTREAD_EXPORT_S3_CREDENTIALS_FILE"
            )
        return self._buckets[name]


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        raise ServiceError(
            f"An exported file in {path.parent.parent} can't be removed: {error.strerror}; remove "
            "it, and run again."
        ) from None


class Previews:
    """Pictures of a study's images: all that lies below its pseudonym under one prefix."""

    def __init__(self, url: str, config: StoreConfig, setting: str) -> None:
        prefix = parse_prefix(url)
        self._prefix = prefix.key and prefix.key.rstrip("/") + "/"
        self._bucket = Bucket(prefix.bucket, config, setting)

    def of(self, study: str) -> list[str]:
        """Their keys."""
        return self._bucket.under(f"{self._prefix}{study}/")

    def remove(self, study: str) -> None:
        for key in self.of(study):
            self._bucket.remove(key)

    def keeps_versions(self) -> bool:
        return self._bucket.keeps_versions()


def previews(settings: Settings) -> Previews | None:
    """Where they lie; None: no setting says so."""
    if settings.previews_url is None:
        return None
    config, own = store_config(settings), settings.previews_s3_credentials_file
    if own is not None:
        config = replace(config, credentials_file=str(own))
    return Previews(settings.previews_url, config, "NIGHTREAD_PREVIEWS_S3_CREDENTIALS_FILE")
