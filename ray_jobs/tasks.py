"""All of Ray's remote functions. They read S3 and call Triton; they never see Postgres."""

import functools
import logging
from collections.abc import Iterator
from dataclasses import replace

import cv2
import ray

from mammo.verdict import Policy
from ray_jobs import breadcrumbs
from ray_jobs.archive.headers import HeadersRead, ObjectToRead, read_batch
from ray_jobs.archive.store import StoreConfig
from ray_jobs.contained import Decoder
from ray_jobs.faults import ObjectUnreadable
from ray_jobs.inference import client as inference
from ray_jobs.looks import Eyes
from ray_jobs.pieces import Piece, pieces, read_instance
from ray_jobs.records import ArchiveToRead, PlannedInstance, StudyOutcome, StudyPlan
from ray_jobs.spot_check import InPassing, Spot, SpotChecks, Word, decoded_twice
from ray_jobs.study import screen
from triton_repo.release import Manifest


@functools.cache
def _settle() -> None:
    """Once in each worker."""
    cv2.setNumThreads(1)  # OpenCV has a thread pool of its own that Ray knows nothing of
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its warnings quote values


@functools.cache
def _decoder(memory_mb: int) -> Decoder:
    """The one child of a worker."""
    return Decoder(memory_mb)


@functools.lru_cache(maxsize=1)
def _checks(_run: int) -> SpotChecks[InPassing]:
    """What a worker has found of the transfer syntaxes in the archives that it read in a run."""
    return SpotChecks(lambda image: decoded_twice(image.data))


def _read_headers(
    batch: tuple[ObjectToRead, ...], store: StoreConfig, policy: Policy
) -> HeadersRead:
    return read_batch(batch, store, policy)


def _screen_study(
    plan: StudyPlan,
    store: StoreConfig,
    triton: inference.TritonConfig,
    manifest: Manifest,
    memory_mb: int,
) -> StudyOutcome:
    _settle()
    client = inference.client(triton, manifest)
    decoder = _decoder(memory_mb)
    outcome = screen(
        plan,
        lambda instance: read_instance(store, instance),
        client.submit,
        manifest,
        decoder.prepare,
        lambda stage: breadcrumbs.leave(plan.study_uid, stage, decoder.peak_mb),
    )
    breadcrumbs.sweep(plan.study_uid)
    return replace(outcome, triton=client.counted())


def _read_archive(
    target: ArchiveToRead,
    store: StoreConfig,
    policy: Policy,
    triton: inference.TritonConfig,
    manifest: Manifest,
    memory_mb: int,
    run: int,
) -> Iterator[Piece]:
    _settle()
    eyes = None
    if target.streamed and target.look:
        client = inference.client(triton, manifest)
        decoder = _decoder(memory_mb)
        eyes = Eyes(
            client.submit,
            manifest,
            target.wanted,
            decoder.prepare,
            _checks(run),
            lambda stage: breadcrumbs.leave(target.crumb, stage, decoder.peak_mb),
        )
    yield from pieces(target, store, policy, eyes)
    breadcrumbs.sweep(target.crumb)


def _spot_check(instance: PlannedInstance, store: StoreConfig) -> Spot:
    """Raises `StoreLost`."""
    try:
        return decoded_twice(read_instance(store, instance))
    except ObjectUnreadable:
        return Spot(Word.UNREADABLE)


# Ray retries nothing: attempts are counted in Postgres before a study is handed out, so that
# a study that kills its worker is tried a bounded number of times.
read_headers = ray.remote(num_cpus=1, max_retries=0)(_read_headers)
read_archive = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(_read_archive)
screen_study = ray.remote(num_cpus=1, max_retries=0)(_screen_study)
spot_check = ray.remote(num_cpus=1, max_retries=0)(_spot_check)
