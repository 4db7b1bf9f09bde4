"""A release served by the local Triton for as long as the command runs."""

import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nightread.errors import ServiceError
from nightread.settings import Settings
from nightread.stack import triton, triton_env
from nightread.stack.files import last_line
from nightread.stack.process import finish, port_was_taken, start
from nightread.stack.proofs import NOT_PROVEN, prove_release, sentence
from nightread.stack.sweep import sweep
from nightread.stack.wait import until
from triton_repo.configs import Profile
from triton_repo.release import Release

PATIENCE = 120.0  # seconds until the canary must have been answered
TRIES = 3  # ports are drawn, not reserved
BEAT = 0.2  # seconds between two looks at the server


def serve_release(
    release: Release,
    settings: Settings,
    tell: Callable[[str], None],
    profile: Profile = "cpu",
) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is given the address once the canary was right.

    Raises ServiceError when Triton does not start or ends by itself.
    """
    triton_env.check_shared_memory()
    stopping: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: stopping.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with tempfile.TemporaryDirectory(prefix="nightread-triton-") as name:
            for last in [False] * (TRIES - 1) + [True]:
                if _served(release, settings, Path(name), tell, stopping, profile, last_try=last):
                    break
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _served(
    release: Release,
    settings: Settings,
    folder: Path,
    tell: Callable[[str], None],
    stopping: list[int],
    profile: Profile,
    *,
    last_try: bool,
) -> bool:
    """Serve on newly drawn ports; False when one of them was taken and another try is left."""
    env = triton_env.find(settings.triton_env)
    backends = triton_env.assemble(env, folder)
    library = triton_env.libpython(env, backends, folder)
    launch = triton.launch(folder, release.models.absolute(), env, backends, library, profile)
    others = triton.environment_folders()
    server = start(launch)
    made: set[str] = set()
    said = "it has not answered"

    def proven() -> bool:
        nonlocal said
        try:
            said = prove_release(release, launch.url, launch.identity, server.pid)
        except NOT_PROVEN as error:
            said = sentence(error)
            return False
        return True

    try:
        settled = until(lambda: bool(stopping) or server.poll() is not None or proven(), PATIENCE)
        made = triton.environment_folders() - others
        if server.poll() is None and not stopping:
            if not settled:
                raise ServiceError(f"Triton was not proven within {PATIENCE:.0f} s: {said}")
            tell(f"{launch.url} serves {said}; interrupt to stop")
        while server.poll() is None and not stopping:
            time.sleep(BEAT)
        if not stopping:
            if port_was_taken(launch) and not last_try:
                return False
            raise ServiceError(f"Triton ended by itself: {last_line(launch.log)}")
        return True
    finally:
        finish([(launch, server)])
        sweep([*launch.leftovers, *made])
