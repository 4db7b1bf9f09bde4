"""All of Ray's remote functions. They read S3 and call Triton; they never see Postgres."""

import functools
import logging
from collections.abc import Iterator

import cv2
import ray

from mammo.verdict import Policy
from ray_jobs.archive.headers import HeadersRead, ObjectToRead, read_batch
from ray_jobs.archive.store import StoreConfig
from ray_jobs.inference import client as inference
from ray_jobs.looks import Eyes
from ray_jobs.pieces import Piece, pieces, read_instance
from ray_jobs.records import ArchiveToRead, StudyOutcome, StudyPlan
from ray_jobs.study import screen
from triton_repo.release import Manifest


@functools.cache
def _settle() -> None:
    """Once in each worker."""
    cv2.setNumThreads(1)  # OpenCV has a thread pool of its own that Ray knows nothing of
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its warnings quote values


def _read_headers(
    batch: tuple[ObjectToRead, ...], store: StoreConfig, policy: Policy
) -> HeadersRead:
    return read_batch(batch, store, policy)


def _screen_study(
    plan: StudyPlan, store: StoreConfig, triton: inference.TritonConfig, manifest: Manifest
) -> StudyOutcome:
    _settle()
    client = inference.client(triton, manifest.sizes)
    return screen(plan, lambda i: read_instance(store, i), client.submit, manifest)


def _read_archive(
    target: ArchiveToRead,
    store: StoreConfig,
    policy: Policy,
    triton: inference.TritonConfig,
    manifest: Manifest,
) -> Iterator[Piece]:
    _settle()
    eyes = None
    if target.streamed and target.look:
        client = inference.client(triton, manifest.sizes)
        eyes = Eyes(client.submit, manifest, target.wanted)
    yield from pieces(target, store, policy, eyes)


# Ray retries nothing: attempts are counted in Postgres before a study is handed out, so that
# a study that kills its worker is tried a bounded number of times.
read_headers = ray.remote(num_cpus=1, max_retries=0)(_read_headers)
read_archive = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(_read_archive)
screen_study = ray.remote(num_cpus=1, max_retries=0)(_screen_study)
