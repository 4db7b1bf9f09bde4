"""The Triton client: asynchronous gRPC with deadlines, retries and several servers."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from mammo.findings import RawView
from ray_jobs.faults import InferenceFailed, InferenceLost
from ray_jobs.inference import statuses
from ray_jobs.inference.metrics import Metrics
from ray_jobs.inference.rotation import Rotation
from ray_jobs.inference.server import Server
from triton_repo import canary
from triton_repo.release import Manifest

ATTEMPTS = 5
LATE = 2  # how often one server may miss the deadline of one request: its work still runs
FIRST_PAUSE_S = 0.25  # doubled at each retry, with jitter
IN_FLIGHT = 4  # requests of one worker at a time: the four views of a study
CANARY_DEADLINE_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TritonConfig:
    """Where the ensemble is served."""

    urls: tuple[str, ...]  # host:port, gRPC
    ca: str | None  # PEM file: switches TLS on
    deadline_s: float = 30.0  # of one request; the default release needs about one second a view
    patience_s: float = 20.0  # while no server is in order; a local one is back in 3, or 15 if busy


class TritonClient:
    """Sends views to the ensemble; `submit` returns at once. One for each process.

    gRPC runs in an event loop of its own thread, so that decoding goes on meanwhile. A server of
    this host is given views through shared memory.
    """

    def __init__(self, config: TritonConfig, manifest: Manifest) -> None:
        """`manifest`: of the release that the servers must have."""
        self.of = config, manifest
        self._config, self._manifest = config, manifest
        self._counted = Metrics()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triton", daemon=True)
        self._thread.start()
        self._servers, self._rotation, self._places = self._run(self._open()).result()

    def submit(self, image: NDArray[np.uint8]) -> "Future[RawView]":
        """Infer one prepared view, uint8 (1, height, width).

        The future raises `InferenceLost` when no server answered in all attempts,
        `InferenceFailed` when one refused.
        """
        return self._run(self._infer(image))

    def prove(self, canaries: int = 1) -> None:
        """Canaries, all at once, through the whole ensemble of each server that answers.

        As many as a model has instances find the one that is dead. Raises `InferenceLost` in one sentence when none does, or when one holds another
        release, answers wrongly or is too old to be used.
        """
        self._run(self._prove_all(canaries)).result()

    def counted(self) -> Metrics:
        """What has been counted since this was called last."""
        return self._run(self._taken()).result()

    def close(self) -> None:
        """Close the channels and the event loop."""
        self._run(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @cached_property
    def _canary(self) -> NDArray[np.uint8]:
        return canary.image(self._manifest.sizes)

    def _run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self) -> tuple[list[Server], Rotation, asyncio.Semaphore]:
        config, served = self._config, self._manifest.ensemble
        servers = [Server(url, config.ca, served, IN_FLIGHT) for url in config.urls]
        rotation = Rotation(servers, self._prove, config.patience_s, self._count)
        return servers, rotation, asyncio.Semaphore(IN_FLIGHT)

    async def _close(self) -> None:
        await self._rotation.close()
        for server in self._servers:
            await server.close()

    def _count(self, more: Metrics) -> None:
        self._counted += more

    async def _taken(self) -> Metrics:
        taken, self._counted = self._counted, Metrics()
        return taken

    async def _infer(self, image: NDArray[np.uint8]) -> RawView:
        async with self._places:
            self._count(Metrics(requests=1))
            failed: Counter[Server] = Counter()
            late: Counter[Server] = Counter()
            last = None
            for attempt in range(ATTEMPTS):
                if attempt:
                    self._count(Metrics(retries=1))
                    jitter = random.uniform(0.5, 1.5)  # noqa: S311
                    await asyncio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1) * jitter)
                server = await self._rotation.choose(failed)
                if server is None:
                    break
                began = self._loop.time()
                try:
                    answer = await server.ask(image, self._config.deadline_s)
                except InferenceServerException as error:
                    last = error
                    self._judge(server, error)
                    failed[server] += 1
                    late[server] += statuses.late(error)
                    if late[server] == LATE:
                        break
                else:
                    server.failures = 0
                    self._count_answer(self._loop.time() - began, server)
                    return answer
            raise InferenceLost(self._down(last))

    def _count_answer(self, seconds: float, server: Server) -> None:
        self._count(
            Metrics(answers=1, shared=int(server.shares), seconds=seconds, slowest_s=seconds)
        )

    def _judge(self, server: Server, error: InferenceServerException) -> None:
        """Raises `InferenceFailed` for what no other attempt would cure."""
        status = str(error.status()).removeprefix("StatusCode.")
        self._count(Metrics(failures={status: 1}))
        if not statuses.retryable(error):
            raise InferenceFailed(f"Triton refused a view ({error.status()}): see its log.")
        self._rotation.failed(server, error)

    async def _prove(self, server: Server) -> None:
        try:
            raw = await server.ask(self._canary, CANARY_DEADLINE_S)
        except InferenceFailed as error:
            raise InferenceLost(f"{error} It is the one at {server.url}.") from None
        wrong = canary.problem(self._manifest.canary, raw)
        if wrong:
            raise InferenceLost(
                f"Triton at {server.url} does not serve release {self._manifest.name}: {wrong}."
            )

    async def _prove_all(self, canaries: int) -> None:
        proven, last = 0, ""
        for server in self._servers:
            try:
                await asyncio.gather(*(self._prove(server) for _ in range(canaries)))
            except InferenceServerException as error:  # another one may serve
                last = self._down(error, server.url)
                if not statuses.retryable(error):
                    last = (
                        f"Triton at {server.url} refused the canary ({error.status()}): it serves "
                        f"another release than {self._manifest.name}, or none."
                    )
            else:
                proven += 1
        if not proven:
            raise InferenceLost(last)

    def _down(self, error: InferenceServerException | None, url: str | None = None) -> str:
        where = url or ", ".join(self._config.urls)
        how = f" ({error.status()})" if error else ""
        return (
            f"Triton at {where} gave no answer{how}: check NIGHTREAD_TRITON_URL "
            "and that the server runs."
        )


_of_this_process: list[TritonClient] = []  # at most one


def client(config: TritonConfig, manifest: Manifest) -> TritonClient:
    """The client of this process; another one when servers or release are others."""
    if _of_this_process and _of_this_process[0].of != (config, manifest):
        _of_this_process.pop().close()
    if not _of_this_process:
        _of_this_process.append(TritonClient(config, manifest))
    return _of_this_process[0]
