"""Files that only their owner may read, and folders that survive their owner's mistakes."""

import os
import re
from pathlib import Path

PRIVATE = 0o600
# PostgreSQL's levels, SeaweedFS's prefix (glog), Triton's last word.
FATAL = re.compile(r"\b(FATAL|PANIC): |^F\d{4} |^error: ")


def write_private(path: Path, content: str | bytes) -> Path:
    """Replace `path` at one stroke by a file of mode 0600: never half written, never readable."""
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    draft.replace(path)
    return path


def tail(path: Path, size: int = 4000) -> str:
    """The last `size` bytes of a log as text; empty when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - size))
            return log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_line(path: Path) -> str:
    """The line of a log that says why its server ended: the last fatal one, else the last."""
    lines = [line.strip() for line in tail(path).splitlines() if line.strip()]
    fatal = [line for line in lines if FATAL.search(line)]
    return (fatal or lines or ["(the log is empty)"])[-1]
