"""Ray's session folders: who was given one is written down, and it is removed.

Ray keeps logs and sockets of every session for ever. A job gives it a short folder of its own
(a socket's path is limited to 107 bytes), so that it can be removed as a whole.
"""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import psutil

from nightread.stack.files import write_private
from nightread.stack.layout import Layout
from nightread.stack.wait import until

LEAVE_SECONDS = 5.0  # a local cluster ends within 2 s of its driver


def record(layout: Layout, folder: Path) -> None:
    """Write down that a job gave `folder` to Ray; call it before Ray starts."""
    known = set(_recorded(layout)) | {folder}
    write_private(layout.ray_folders, "".join(f"{path}\n" for path in sorted(known)))


def _recorded(layout: Layout) -> list[Path]:
    if not layout.ray_folders.exists():
        return []
    return [Path(line) for line in layout.ray_folders.read_text().splitlines() if line]


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


def remove_recorded(layout: Layout) -> None:
    """Remove every folder that a job of this stack gave to Ray."""
    for folder in _recorded(layout):
        remove(folder)
    layout.ray_folders.unlink(missing_ok=True)
