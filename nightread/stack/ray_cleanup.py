"""Ray's session folders: what a job that was killed left of them is removed.

Ray keeps logs and sockets of every session for ever. A job gives it a folder of its own and
removes it as a whole (`ray_jobs.sessions`), unless it was killed.
"""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import psutil

from nightread.stack.wait import until
from ray_jobs import sessions

LEAVE_SECONDS = 5.0  # a local cluster ends within 2 s of its driver


def _users(folder: Path) -> list[psutil.Process]:
    """Processes that were started with a path below this very folder on their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"{folder}/" in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process)
    return found


def remove(folder: Path) -> None:
    """Remove a folder that was Ray's, after its daemons have ended or were killed."""
    if not until(lambda: not _users(folder), LEAVE_SECONDS):
        for process in _users(folder):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        until(lambda: not _users(folder), LEAVE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove every folder that a job of this user gave to Ray and could not remove itself.

    A job that still runs keeps its own and removes it when it ends.
    """
    for folder in sessions.abandoned():
        remove(folder)
