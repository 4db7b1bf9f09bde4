"""Where previews are kept: one prefix of S3, under an identity that can do nothing else."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from db.images import ImageFile
from nightread.previews.parts import VERSION, Part
from ray_jobs.archive.store import StoreConfig, client, unavailable

THREADS = 4
MISSING = frozenset({"NoSuchKey", "404"})


class PreviewCache:
    """Parts of previews, below the pseudonym of their study."""

    def __init__(self, store: StoreConfig, bucket: str, prefix: str) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = prefix

    def get(self, image: ImageFile, sop_instance_uid: str, name: str) -> bytes | None:
        """A part; None: it was never made of these bytes. Raises `StoreLost`."""
        key = f"{self._folder(image, sop_instance_uid)}{name}"
        try:
            found = client(self._store).get_object(Bucket=self._bucket, Key=key)
            body: bytes = found["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise unavailable(error, self._store, self._bucket) from None
        except BotoCoreError as error:
            raise unavailable(error, self._store, self._bucket) from None
        return body

    def put(self, image: ImageFile, sop_instance_uid: str, parts: Iterable[Part]) -> None:
        """Keep all parts of a preview, the overview last: where it is, the others are.

        Raises `StoreLost`.
        """
        folder = self._folder(image, sop_instance_uid)
        overview, *tiles = parts

        def put(part: Part) -> None:
            client(self._store).put_object(
                Bucket=self._bucket, Key=f"{folder}{part.name}", Body=part.body
            )

        try:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(put, tiles))
            put(overview)
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, self._store, self._bucket) from None

    def erase(self, study_pseudonym: str) -> int:
        """Delete all that is kept of a study; returns how many objects. Raises `StoreLost`."""
        s3, deleted = client(self._store), 0
        where = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{study_pseudonym}/"}
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(**where):
                keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
                if keys:
                    s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
                deleted += len(keys)
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, self._store, self._bucket) from None
        return deleted

    def _folder(self, image: ImageFile, sop_instance_uid: str) -> str:
        """Other bytes, another place in an archive, or another way to render: another folder."""
        of = (
            VERSION,
            sop_instance_uid,
            image.bucket,
            image.key,
            image.etag,
            image.size,
            image.place,
        )
        digest = hashlib.sha256(repr(of).encode()).hexdigest()[:32]
        return f"{self._prefix}{image.study_pseudonym}/{digest}/"
