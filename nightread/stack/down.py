"""`down`: stop the stack and remove what it left outside its folder."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator

from nightread.errors import LockedError
from nightread.stack import postgres, ray_cleanup, state
from nightread.stack.files import PRIVATE
from nightread.stack.layout import Layout
from nightread.stack.process import Identity, alive, end_stragglers
from nightread.stack.state import StackState
from nightread.stack.sweep import sweep
from nightread.stack.wait import until

SUPERVISOR_PATIENCE = 30.0  # seconds to stop everything, its children's grace included
FORCE_PATIENCE = 5.0  # seconds from SIGKILL to the end


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """One `up` or `down` at a time for a folder. Raises LockedError."""
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(layout.lock, os.O_WRONLY | os.O_CREAT, PRIVATE), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"Another `nightread stack` command is at work on {layout.root}: wait for it."
            ) from None
        yield


def running(layout: Layout) -> StackState | None:
    """The state of a stack whose supervisor lives."""
    found = state.read(layout.state)
    return found if found is not None and alive(found.supervisor) else None


def reaped(pid: int) -> bool:
    """Whether a child of ours has ended, which removes its zombie; False for anybody else's."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _end(process: Identity, stop: int, grace: float) -> None:
    """Stop a process and its session, by force after its grace. It need not be our child."""

    def gone() -> bool:
        reaped(process.pid)
        return not alive(process)

    if not gone():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, stop)
        until(gone, grace)
    end_stragglers(process)
    until(gone, FORCE_PATIENCE)
    reaped(process.pid)  # it may have become a zombie after we had looked


def clean_up(layout: Layout) -> None:
    """End and sweep what a supervisor that was killed could not."""
    found = state.read(layout.state)
    if found is None:
        return
    for told in found.services.values():
        if told.process is not None:
            _end(told.process, told.stop, told.grace)
    postgres.release_memory(layout.postgres)
    for told in found.services.values():
        sweep(told.leftovers)
        told.condition = "stopped"
    if not found.stopped:
        found.stopped = True
        state.write(layout.state, found)


def take_down(layout: Layout) -> None:
    found = state.read(layout.state)
    if found is not None:
        _end(found.supervisor, signal.SIGTERM, SUPERVISOR_PATIENCE)
    clean_up(layout)
    ray_cleanup.remove_abandoned()


def down(layout: Layout) -> bool:
    """Stop everything and remove what it left outside the folder; whether anything ran.

    Data and credentials stay. Raises LockedError while another command is at work.
    """
    if not layout.root.is_dir():
        return False
    with alone(layout):
        ran = running(layout) is not None
        take_down(layout)
        return ran
