"""Previews as they are asked for: from the cache, or read, rendered and kept."""

import queue
import threading

from db.images import ImageFile
from mammo.codes import Reason
from mammo.views import Laterality
from nightread.jobs import parse_prefix, store_config
from nightread.previews.cache import PreviewCache
from nightread.previews.parts import OVERVIEW, Part
from nightread.previews.renderer import Renderer
from nightread.settings import Settings
from ray_jobs.archive.store import StoreConfig
from ray_jobs.pieces import read_instance
from ray_jobs.records import Listed, PlannedInstance

RENDERERS = 2  # children at once: a study of four views is ready after two turns
STRIPES = 64  # images that share a lock wait for each other, rarely and in vain


class Previews:
    """For all threads of a server."""

    def __init__(self, settings: Settings, renderers: int = RENDERERS) -> None:
        """`settings.previews_url` is set."""
        assert settings.previews_url is not None
        self._archive = store_config(settings)
        own = settings.previews_s3_credentials_file
        keeping = StoreConfig(
            self._archive.endpoint_url,
            self._archive.region,
            self._archive.ca_bundle,
            str(own) if own else self._archive.credentials_file,
        )
        where = parse_prefix(settings.previews_url)
        self.cache = PreviewCache(keeping, where.bucket, where.key)
        self._all = [Renderer(settings.study_memory_mb) for _ in range(renderers)]
        self._free: queue.Queue[Renderer] = queue.Queue()
        for renderer in self._all:
            self._free.put(renderer)
        self._alone = [threading.Lock() for _ in range(STRIPES)]

    def part(self, image: ImageFile, sop_instance_uid: str, name: str) -> bytes | None:
        """A part of an image's preview, gzip; None: it has no such part.

        Raises `PixelError`, `ObjectUnreadable`, and `StoreLost` or `DecoderLost`, after which
        another try may do.
        """
        found = self.cache.get(image, sop_instance_uid, name)
        if found is not None or image.laterality is None:
            return found
        with self._alone[hash(sop_instance_uid) % STRIPES]:
            # Somebody else may have made it while this waited.
            found = self.cache.get(image, sop_instance_uid, name)
            if found is not None:
                return found
            if name != OVERVIEW and self.cache.get(image, sop_instance_uid, OVERVIEW) is not None:
                return None  # all that there is was kept before the overview
            parts = self._rendered(image, Laterality(image.laterality))
            self.cache.put(image, sop_instance_uid, parts)
        return next((part.body for part in parts if part.name == name), None)

    def close(self) -> None:
        """End the children."""
        for renderer in self._all:
            renderer.close()

    def _rendered(self, image: ImageFile, laterality: Laterality) -> list[Part]:
        planned = PlannedInstance(
            0,
            image.bucket,
            Listed(image.key, image.etag, image.size),
            "",
            laterality,
            "",
            Reason.OK,
            (),
            image.place,
        )
        data = read_instance(self._archive, planned)
        renderer = self._free.get()
        try:
            return renderer.render(data, laterality)
        finally:
            self._free.put(renderer)
