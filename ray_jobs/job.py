"""What a run is given, and what it carries while it goes on."""

import math
import os
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from sqlalchemy import Engine

from db import runs
from db.lock import RunLock
from db.session import in_transaction
from db.sites import Sites
from mammo.pseudonym import Pseudonyms
from ray_jobs.archive.store import StoreConfig
from ray_jobs.faults import ServiceLost
from ray_jobs.inference.client import TritonConfig
from ray_jobs.inference.metrics import Metrics
from triton_repo.release import Release

HEARTBEAT_S = 2.0  # how often a run says that it lives


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a run depends on."""

    prefix: runs.Prefix
    release: Release
    store: StoreConfig
    triton: TritonConfig
    engine: Engine
    pseudonyms: Pseudonyms
    settle_minutes: int  # how long after its newest object a study may wait for more
    ray_address: str | None
    window: int | None  # studies in flight; None: twice the cluster's cores
    study_timeout_s: float
    study_memory_mb: int
    limit: int | None  # studies of this run at most
    who: str
    code_version: str


class Progress(Protocol):
    """Who is told how far the run is."""

    def listed(self, objects: int) -> None: ...

    def indexed(self, objects: int) -> None: ...

    def to_screen(self, studies: int) -> None: ...

    def screened(self) -> None: ...


@dataclass(slots=True)
class Running:
    """A run that goes on: its number, its clock, its Ray."""

    job: Job
    id: int
    lock: RunLock
    progress: Progress
    resources: ExitStack
    sites: Sites
    slots: int = 0  # studies that the cluster works on at a time; known once Ray is there
    window: int = 0  # tasks in flight
    patience_s: float = 0.0  # for a task, from its submission on
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    triton: Metrics = field(default_factory=Metrics)
    header_bytes_read: int = 0
    header_bytes_needed: int = 0
    _beat: float = 0.0

    def spent(self, stage: str, seconds: float) -> None:
        """Account for the time of a stage, summed over tasks."""
        self.seconds[stage] += seconds

    def alive(self) -> None:
        """Keep the lock and say that the run lives, when it is time to."""
        if monotonic() - self._beat < HEARTBEAT_S:
            return
        self.beat()
        self.lock.keep()

    def beat(self) -> None:
        """Write down what each stage took so far."""
        self._beat = monotonic()
        so_far = dict(self.seconds), self.header_bytes_read, self.header_bytes_needed
        in_transaction(self.job.engine, lambda session: runs.heartbeat(session, self.id, *so_far))

    def start_ray(self) -> None:
        """Start or join Ray, once, when there is work for it."""
        if self.window:
            return
        import ray  # noqa: PLC0415 -- takes seconds, and an unchanged archive needs none

        from ray_jobs.cluster import cluster  # noqa: PLC0415

        self.resources.enter_context(cluster(self.job.ray_address))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        self.slots = slots = sum(_slots(node, self.job.study_memory_mb << 20) for node in nodes)
        if not slots:
            # Ray would let every study wait for ever.
            largest = max((int(node.get("memory", 0)) for node in nodes), default=0)
            raise ServiceLost(
                f"No node of Ray has a core and {self.job.study_memory_mb} MB for a study (the "
                f"largest has {largest >> 20}): lower NIGHTREAD_STUDY_MEMORY_MB, or add memory."
            )
        # A queue of one study behind each place: a core never waits for the driver.
        self.window = self.job.window or 2 * slots
        # A task may have to wait for those before it.
        self.patience_s = self.job.study_timeout_s * math.ceil(self.window / slots)


def _slots(node: dict[str, float], study_bytes: int) -> int:
    """How many studies a node runs at a time."""
    return int(min(node.get("CPU", 0), node.get("memory", 0) // study_bytes))


def who_am_i() -> str:
    """Host and process, for whoever finds the lock taken."""
    return f"{os.uname().nodename}, process {os.getpid()}"
