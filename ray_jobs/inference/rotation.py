"""Which server is asked: a sick one is out until canaries have come back right from it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tritonclient.utils import InferenceServerException

from ray_jobs.faults import InferenceFailed, InferenceLost
from ray_jobs.inference import statuses
from ray_jobs.inference.metrics import Metrics
from ray_jobs.inference.server import Server

FAILURES = 3  # in a row, until a server is out
FIRST_PROBE_S, LAST_PROBE_S = 0.5, 5.0  # pauses between canaries to one that is out
CANARIES = 2  # while others serve, as many at once as a model has instances: one may be dead


class Rotation:
    """The servers, and those of them that are asked: a circuit breaker for each."""

    def __init__(
        self,
        servers: Sequence[Server],
        prove: Callable[[Server], Awaitable[None]],
        patience_s: float,
        count: Callable[[Metrics], None],
    ) -> None:
        """prove: a canary; raises what asking raises, and InferenceLost for a wrong answer."""
        self._serving = set(servers)
        self._prove, self._patience_s, self._count = prove, patience_s, count
        self._probes: set[asyncio.Task[None]] = set()
        self._back = asyncio.Event()

    async def choose(self, failed: Counter[Server]) -> Server | None:
        """The server that failed this request least; None when all stay out for too long."""
        try:
            async with asyncio.timeout(self._patience_s):
                while not self._serving:
                    await self._back.wait()
        except TimeoutError:
            return None
        # At random among equals, which spreads the load of many clients.
        return min(self._serving, key=lambda one: (failed[one], random.random()))  # noqa: S311

    def failed(self, server: Server, error: InferenceServerException) -> None:
        """Put it out when its stub is dead, or at its third failure in a row."""
        if statuses.overloaded(error):
            return
        server.failures += 1
        if server in self._serving and (statuses.sick(error) or server.failures >= FAILURES):
            self._serving.remove(server)
            self._back.clear()
            self._count(Metrics(ejections=1))
            probe = asyncio.create_task(self._bring_back(server))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def close(self) -> None:
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    async def _bring_back(self, server: Server) -> None:
        """Canaries with growing pauses, for as long as the client lives: the server may return."""
        pause = FIRST_PROBE_S
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, LAST_PROBE_S)
            # The last one that there is may serve with half of its instances.
            canaries = CANARIES if self._serving else 1
            server.doubt()
            try:
                await asyncio.gather(*(self._prove(server) for _ in range(canaries)))
            except (InferenceServerException, InferenceFailed, InferenceLost):
                continue
            server.failures = 0
            self._serving.add(server)
            self._back.set()
            return
