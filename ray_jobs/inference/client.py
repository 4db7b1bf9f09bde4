"""The Triton client: asynchronous gRPC with deadlines and retries on the codes that allow them."""

import asyncio
import functools
import random
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from mammo.findings import RawView
from ray_jobs.faults import InferenceFailed, InferenceLost
from triton_repo import canary
from triton_repo.contract import KINDS, Model, answer
from triton_repo.release import Release

DEADLINE_S = 30.0  # of one request; the default release needs about one second a view
ATTEMPTS = 5
FIRST_PAUSE_S = 0.25  # doubled at each retry, with jitter
IN_FLIGHT = 4  # requests of one worker at a time: the four views of a study
CANARY_DEADLINE_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TritonConfig:
    """Where the ensemble is served."""

    urls: tuple[str, ...]  # host:port, gRPC
    ca: str | None  # PEM file: switches TLS on


def retryable(error: InferenceServerException) -> bool:
    """Whether the same request may succeed later: inference has no side effects.

    UNAVAILABLE is, but for refusals that stay; NOT_FOUND is while a model is reloaded or the
    server is shutting down; a deadline and a dead python stub may be another server's luck.
    """
    status, text = str(error.status()), str(error.message())
    if "UNAVAILABLE" in status:
        return "restricted" not in text and "andshake" not in text
    if "NOT_FOUND" in status:
        return "no available versions" in text or "is not found" in text
    if "DEADLINE_EXCEEDED" in status:
        return True
    return "INTERNAL" in status and ("not healthy" in text or "shared memory" in text)


def checked(raw: RawView) -> RawView:
    """An answer that can be one; raises `InferenceFailed`: a NaN must never become a low score."""
    n = raw.count
    if not 0 <= n <= len(raw.boxes):
        raise InferenceFailed("Triton answered with an impossible number of boxes.")
    whole = [] if raw.suspicion is None else [raw.suspicion]
    scores = np.concatenate([raw.detection[:n], raw.lesion[:n], raw.malignancy[:n], whole])
    # Written so that a NaN fails.
    if not (np.isfinite(raw.boxes[:n]).all() and ((scores >= 0) & (scores <= 1)).all()):
        raise InferenceFailed("Triton answered with scores or boxes that are not numbers.")
    if not ((raw.kind[:n] >= 0) & (raw.kind[:n] < len(KINDS))).all():
        raise InferenceFailed("Triton answered with a kind of finding that the contract lacks.")
    return raw


class TritonClient:
    """Sends views to the ensemble; `submit` returns at once. One for each process.

    gRPC runs in an event loop of its own thread, so that decoding goes on meanwhile.
    """

    def __init__(self, config: TritonConfig, served: Model) -> None:
        """`served`: the ensemble that the servers must have (`Release.ensemble`)."""
        self._config = config
        self._served = served
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triton", daemon=True)
        self._thread.start()
        self._clients, self._places = self._run(self._open()).result()

    def submit(self, image: NDArray[np.uint8]) -> "Future[RawView]":
        """Infer one prepared view, uint8 (1, height, width).

        The future raises `InferenceLost` when no server answered in all attempts,
        `InferenceFailed` when one refused.
        """
        return self._run(self._infer(image))

    def prove(self, release: Release) -> None:
        """One canary through the whole ensemble of each server that answers.

        Raises `InferenceLost` in one sentence when none does, or when one holds another
        release or answers wrongly.
        """
        self._run(self._prove(release)).result()

    def close(self) -> None:
        """Close the channels and the event loop."""
        self._run(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self) -> tuple[list[Any], asyncio.Semaphore]:
        clients = [
            triton.InferenceServerClient(
                url,
                ssl=self._config.ca is not None,
                root_certificates=self._config.ca,
                channel_args=_channel(url),
            )
            for url in self._config.urls
        ]
        return clients, asyncio.Semaphore(IN_FLIGHT)

    async def _close(self) -> None:
        for client in self._clients:
            await client.close()

    async def _infer(self, image: NDArray[np.uint8]) -> RawView:
        async with self._places:
            first = random.randrange(len(self._clients))  # noqa: S311 -- spreads load
            for attempt in range(ATTEMPTS):
                client = self._clients[(first + attempt) % len(self._clients)]
                try:
                    return await self._once(client, image, DEADLINE_S)
                except InferenceServerException as error:
                    if not retryable(error):
                        raise InferenceFailed(
                            f"Triton refused a view ({error.status()}): see its log."
                        ) from None
                    last = error
                jitter = random.uniform(0.5, 1.5)  # noqa: S311
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempt * jitter)
            raise InferenceLost(self._down(last))

    async def _once(self, client: Any, image: NDArray[np.uint8], deadline_s: float) -> RawView:
        model = self._served
        tensor = triton.InferInput(model.inputs[0].name, [1, *image.shape], model.inputs[0].dtype)
        tensor.set_data_from_numpy(image[None])
        outputs = [triton.InferRequestedOutput(output.name) for output in model.outputs]
        said = await client.infer(model.name, [tensor], outputs=outputs, client_timeout=deadline_s)
        return checked(answer({one.name: said.as_numpy(one.name)[0] for one in model.outputs}))

    async def _prove(self, release: Release) -> None:
        right = release.manifest.canary
        proven, last = 0, ""
        for url, client in zip(self._config.urls, self._clients, strict=True):
            try:
                raw = await self._once(
                    client, canary.image(release.manifest.sizes), CANARY_DEADLINE_S
                )
            except InferenceServerException as error:
                last = self._down(error, url)
                continue  # another one may serve: requests fail over too
            except InferenceFailed as error:
                raise InferenceLost(f"{error} It is the one at {url}.") from None
            wrong = canary.problem(right, raw)
            if wrong:
                raise InferenceLost(
                    f"Triton at {url} does not serve release {release.manifest.name}: {wrong}."
                )
            proven += 1
        if not proven:
            raise InferenceLost(last)

    def _down(self, error: InferenceServerException, url: str | None = None) -> str:
        where = url or ", ".join(self._config.urls)
        return (
            f"Triton at {where} gave no answer ({error.status()}): check NIGHTREAD_TRITON_URL "
            "and that the server runs."
        )


def _channel(url: str) -> list[tuple[str, int]]:
    """Options of gRPC: they replace tritonclient's own, so its limits are said again."""
    limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    # A proxy of the environment does not reach a server of this machine.
    direct = url.startswith(("127.", "localhost:", "[::1]"))
    return [*limits, ("grpc.enable_http_proxy", 0)] if direct else limits


@functools.lru_cache(maxsize=1)
def client(config: TritonConfig, served: Model) -> TritonClient:
    """The client of this process."""
    return TritonClient(config, served)
