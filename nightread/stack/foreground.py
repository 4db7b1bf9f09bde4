"""A release served by a local Triton of one's own, for as long as something runs."""

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from nightread.errors import ServiceError
from nightread.settings import Settings
from nightread.stack import triton, triton_env
from nightread.stack.files import last_line
from nightread.stack.process import Launch, finish, port_was_taken, start
from nightread.stack.proofs import NOT_PROVEN, prove_release, sentence
from nightread.stack.sweep import sweep
from nightread.stack.wait import until
from triton_repo.configs import Profile
from triton_repo.release import Release

PATIENCE = 120.0  # seconds until the canary must have been answered
TRIES = 3  # ports are drawn, not reserved
BEAT = 0.2  # seconds between two looks at the server


class Server(NamedTuple):
    """A Triton that was proven, unless `interrupted` came before."""

    url: str  # host:port, gRPC
    process: "subprocess.Popen[bytes]"
    log: Path
    said: str  # what the proof says


def serve_release(
    release: Release,
    settings: Settings,
    tell: Callable[[str], None],
    profile: Profile = "cpu",
) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is given the address once the canary was right.

    Raises ServiceError when Triton does not start or ends by itself.
    """
    stopping: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: stopping.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with served(release, settings, profile, lambda: bool(stopping)) as server:
            if not stopping:
                tell(f"{server.url} serves {server.said}; interrupt to stop")
            while server.process.poll() is None and not stopping:
                time.sleep(BEAT)
            if not stopping:
                raise _ended(server.log)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def served(
    release: Release,
    settings: Settings,
    profile: Profile = "cpu",
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[Server]:
    """A Triton over the release, from its proof, or an interruption before, to the block's end.

    Raises ServiceError when it does not start. Call it from the main thread.
    """
    triton_env.check_shared_memory()
    with tempfile.TemporaryDirectory(prefix="nightread-triton-") as name:
        folder, env = Path(name), triton_env.find(settings.triton_env)
        backends = triton_env.assemble(env, folder)
        library = triton_env.libpython(env, backends, folder)
        for tries_left in reversed(range(TRIES)):
            launch = triton.launch(
                folder, release.models.absolute(), env, backends, library, profile
            )
            others = triton.environment_folders()
            process = start(launch)
            made: set[str] = set()
            try:
                settled, said = _settled(release, launch, process, interrupted)
                made = triton.environment_folders() - others
                if not settled:
                    raise ServiceError(f"Triton was not proven within {PATIENCE:.0f} s: {said}")
                if process.poll() is None or interrupted():
                    yield Server(launch.url, process, launch.log, said)
                    return
                if not (tries_left and port_was_taken(launch)):
                    raise _ended(launch.log)
            finally:
                finish([(launch, process)])
                sweep([*launch.leftovers, *made])


def _settled(
    release: Release,
    launch: Launch,
    process: "subprocess.Popen[bytes]",
    interrupted: Callable[[], bool],
) -> tuple[bool, str]:
    """Whether the server was proven, ended or interrupted in time, and what its proof says."""
    said = "it has not answered"

    def proven() -> bool:
        nonlocal said
        try:
            said = prove_release(release, launch.url, launch.identity, process.pid)
        except NOT_PROVEN as error:
            said = sentence(error)
            return False
        return True

    ready = until(lambda: interrupted() or process.poll() is not None or proven(), PATIENCE)
    return ready, said


def _ended(log: Path) -> ServiceError:
    return ServiceError(f"Triton ended by itself: {last_line(log)}")
