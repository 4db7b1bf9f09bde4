"""A server that was started, as its parent sees it: whether it is of any use."""

import contextlib
import socket
import subprocess
import time
from dataclasses import dataclass, field

from nightread.stack import triton
from nightread.stack.files import last_line
from nightread.stack.process import Launch

COUNT_EVERY = 1.0  # seconds between two counts of a server's own processes
COMING_UP = 120.0  # seconds until a server that was started again must have them all
ANSWER = 0.2  # seconds for a loopback port to take a connection


@dataclass(slots=True)
class Child:
    """One start of a server."""

    launch: Launch
    server: "subprocess.Popen[bytes]"
    tries: int
    folders_before: set[str] = field(default_factory=set)
    folders_known: bool = False
    again: bool = False  # it is not the first at this address
    complete: bool = False  # it had all processes of its own, and took connections
    begun: float = field(default_factory=time.monotonic)
    counted: float = 0.0  # when its processes were

    def fault(self) -> str | None:
        """Why the server is of no use any more; None while it is, or may become so."""
        lost = self._lost()
        code = self.server.poll()  # after the count: who has ended has no processes either
        if code is not None:
            return f"it ended with exit code {code}: {last_line(self.launch.log)}"
        if lost is None and self.again and not self.complete:
            late = time.monotonic() - self.begun > COMING_UP
            return f"it did not come up within {COMING_UP:.0f} s" if late else None
        return lost

    def _lost(self) -> str | None:
        wanted, now = self.launch.children, time.monotonic()
        if not wanted or now - self.counted < COUNT_EVERY:
            return None
        self.counted = now
        living = triton.count_stubs(self.server.pid)
        if not self.complete:
            # Triton listens when its models are loaded; until then it says itself what is wrong.
            self.complete = living >= wanted and _listens(self.launch.url)
            return None
        return f"{living} of its {wanted} model instances were alive" if living < wanted else None


def _listens(url: str) -> bool:
    host, port = url.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), ANSWER):
        return True
    return False
