"""Where a local Ray keeps its sessions, and removing what a killed driver left there."""

import os
import re
import shutil
import tempfile
from pathlib import Path

# Short: Ray puts sockets there, and a socket's path may have 107 bytes.
_ROOT = Path("/tmp")  # noqa: S108
_NAME = re.compile(r"nr-ray-(\d+)-")


def create() -> Path:
    """A folder of mode 0700 named after this process."""
    return Path(tempfile.mkdtemp(prefix=f"nr-ray-{os.getpid()}-", dir=_ROOT))


def abandoned() -> list[Path]:
    """The folders of this user whose process is gone; Ray's own end within seconds of it."""
    found = []
    for folder in _ROOT.glob("nr-ray-*"):
        match = _NAME.match(folder.name)
        if match and folder.stat().st_uid == os.getuid() and not _alive(int(match[1])):
            found.append(folder)
    return found


def sweep() -> list[Path]:
    """Remove the abandoned folders; returns them."""
    swept = abandoned()
    for folder in swept:
        shutil.rmtree(folder, ignore_errors=True)
    return swept


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
