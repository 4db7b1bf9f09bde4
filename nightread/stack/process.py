"""Starting, recognising and ending one server process."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nightread.stack.files import PRIVATE, tail

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PORT_TAKEN = re.compile(r"already in use|could not create any TCP/IP sockets", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is started, and how it is ended."""

    service: str
    url: str  # what a client is given
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path  # its working folder
    log: Path
    stop: signal.Signals
    grace: float  # seconds from the stop signal to SIGKILL
    leftovers: tuple[str, ...] = ()  # glob patterns of what it may leave outside its folder
    identity: str = ""  # what the server calls itself, where it can be asked
    # How many processes of its own it keeps: it is started again when one is missing, or when it
    # ended. None: it is not started again.
    children: int | None = None
    drops_privileges: bool = field(default=False)  # its own prefix sets the death signal


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that no other can be taken for: pids are used again, start times are not."""

    pid: int
    started: int  # clock ticks after the machine's start, field 22 of /proc/PID/stat


def identify(pid: int) -> Identity | None:
    """Who runs under `pid` now; None when nobody does, or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may hold spaces and parentheses itself.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid, int(fields[18]))


def alive(process: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(process.pid) == process


def base_env(**more: str) -> dict[str, str]:
    """A server's environment: nothing of ours leaks into it."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8", **more}


def _die_with_parent(stop: signal.Signals) -> Callable[[], None]:
    # Resolved before the fork: the child must not import or look up anything.
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop))

    return arm


def start(launch: Launch) -> subprocess.Popen[bytes]:
    """Start the server as our direct child, in a session of its own.

    Call it from the main thread: the death signal is sent when the *thread* ends that started it.
    """
    descriptor = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "wb") as log:
        return subprocess.Popen(
            launch.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(launch.env),
            cwd=launch.folder,
            start_new_session=True,
            # Safe with one thread, which is the caller's duty, see above.
            preexec_fn=None if launch.drops_privileges else _die_with_parent(launch.stop),  # noqa: PLW1509
        )


def port_was_taken(launch: Launch) -> bool:
    """Whether an ended server's log says that somebody else had its port."""
    return bool(PORT_TAKEN.search(tail(launch.log)))


def end_group(pid: int) -> None:
    """SIGKILL to all that is left of a server's process group, such as a stub that outlived it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_stragglers(server: Identity) -> None:
    """End what outlived a server that was not our child.

    Each server leads a session, whose number the kernel does not give away while a member lives.
    """
    if identify(server.pid) not in (None, server):
        return  # the number is somebody else's by now: no member was left
    if any(_session(pid) == server.pid for pid in psutil.pids()):
        end_group(server.pid)


def _session(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid)
    return None


def finish(servers: list[tuple[Launch, subprocess.Popen[bytes]]]) -> None:
    """Stop all servers at once, each with its own signal and patience, and reap them."""
    begun = time.monotonic()
    for launch, server in servers:
        server.send_signal(launch.stop)  # does nothing once it was reaped
    for launch, server in sorted(servers, key=lambda pair: pair[0].grace):
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(max(0.05, begun + launch.grace - time.monotonic()))
        end_group(server.pid)
        server.wait()
