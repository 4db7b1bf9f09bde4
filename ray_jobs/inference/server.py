"""One Triton: how it is reached, what it is told of our shared memory, what it answers."""

import asyncio
import contextlib
import functools
import ipaddress
from typing import Any

import numpy as np
import structlog
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from mammo.findings import RawView
from ray_jobs.faults import InferenceFailed, InferenceLost
from ray_jobs.inference import shared_memory, statuses
from ray_jobs.inference.shared_memory import Region
from triton_repo.contract import KINDS, Model, answer

log = structlog.get_logger()

SETTLE_S = 5.0  # the deadline of what is not inference


class Server:
    """A channel to one address, and what is known of who answers there."""

    def __init__(self, url: str, ca: str | None, served: Model, places: int) -> None:
        """places: how many views may be in shared memory at a time."""
        self.url = url
        self.failures = 0  # in a row
        self._served, self._places = served, places
        self._region: Region | None = None
        self._met, self._meeting = False, asyncio.Lock()
        self._channel = triton.InferenceServerClient(
            url, ssl=ca is not None, root_certificates=ca, channel_args=_channel(url)
        )

    async def ask(self, view: NDArray[np.uint8], deadline_s: float) -> RawView:
        """What the ensemble says of a view, (1, height, width).

        Raises InferenceServerException; InferenceFailed for an answer that can be none;
        InferenceLost for a server that must not be used.
        """
        await self.meet()
        region = self._region
        try:
            return await self._ask(view, deadline_s, region)
        except InferenceServerException as error:
            if not statuses.forgotten(error):
                raise
        if region is self._region:  # else another request has done this meanwhile
            self._region, self._met = None, False
        await self.meet()
        return await self._ask(view, deadline_s, self._region)

    async def meet(self) -> None:
        """Once for each start of the server, as far as we notice: its version, our memory."""
        async with self._meeting:
            if self._met:
                return
            said = await self._channel.get_server_metadata(client_timeout=SETTLE_S)
            if not local(self.url) and statuses.unsafe(said.version):
                safe = ".".join(map(str, statuses.SAFE_VERSION))
                raise InferenceLost(
                    f"Triton at {self.url} is version {said.version}, in which whoever reaches it "
                    f"can run code (CVE-2025-23319): update it to {safe} or later."
                )
            if local(self.url) and self._region is None:
                self._region = await self._share()
            self._met = True

    def doubt(self) -> None:
        """Whoever answers next may be another server."""
        self._met = False

    @property
    def shares(self) -> bool:
        """Whether views go there through shared memory."""
        return self._region is not None

    async def close(self) -> None:
        if self._region is not None:
            with contextlib.suppress(InferenceServerException):
                await self._unregister(self._region.name)
        await self._channel.close()

    async def _ask(
        self, view: NDArray[np.uint8], deadline_s: float, region: Region | None
    ) -> RawView:
        model = self._served
        tensor = triton.InferInput(model.inputs[0].name, [1, *view.shape], model.inputs[0].dtype)
        outputs = [triton.InferRequestedOutput(output.name) for output in model.outputs]
        with contextlib.ExitStack() as held:
            if region is None or not region.free:
                tensor.set_data_from_numpy(view[None])
            else:
                place = held.enter_context(region.holding(view))
                tensor.set_shared_memory(region.name, view.nbytes, place)
            said = await self._channel.infer(
                model.name, [tensor], outputs=outputs, client_timeout=deadline_s
            )
        return checked(answer({one.name: said.as_numpy(one.name)[0] for one in model.outputs}))

    async def _share(self) -> Region | None:
        """Memory that the server has opened too; None when one of us will not have it."""
        shared_memory.sweep()
        region = None
        try:
            known = await self._channel.get_system_shared_memory_status(client_timeout=SETTLE_S)
            for name in shared_memory.abandoned(list(known.regions)):
                with contextlib.suppress(InferenceServerException):  # in use until its work is done
                    await self._unregister(name)
            view_bytes = int(np.prod(self._served.inputs[0].dims))
            region = Region(self._places, view_bytes)
            await self._channel.register_system_shared_memory(
                region.name, f"/{region.name}", region.bytes, client_timeout=SETTLE_S
            )
        except OSError as error:
            _say_unshared(f"{shared_memory.FOLDER}: {error.strerror}")
            return None
        except InferenceServerException as error:
            if statuses.unreachable(error) or statuses.late(error):
                raise
            _say_unshared(f"Triton refused it ({error.status()})")
            return None
        finally:
            if region is not None:
                region.forget_name()
        return region

    async def _unregister(self, name: str) -> None:
        await self._channel.unregister_system_shared_memory(name, client_timeout=SETTLE_S)


def local(url: str) -> bool:
    """Whether the server is on this host, by its address alone."""
    host = url.rpartition(":")[0].strip("[]")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


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


def _channel(url: str) -> list[tuple[str, Any]]:
    """Options of gRPC: they replace tritonclient's own, so its limits are said again."""
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        # A server that comes back is seen within a second; gRPC itself waits up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    # A proxy of the environment does not reach a server of this machine.
    return [*options, ("grpc.enable_http_proxy", 0)] if local(url) else options


@functools.cache
def _say_unshared(why: str) -> None:
    """Once in a process: nothing is wrong with the answers, they only cost more."""
    log.warning(
        "no_shared_memory",
        why=why,
        hint="views go to Triton over gRPC; from 2.68 on it has to be started with "
        "--allow-client-shm=true",
    )
