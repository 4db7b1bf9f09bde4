"""A TCP proxy between a job and its archive: it sees what passes, and can hurt."""

import itertools
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_REQUEST = re.compile(rb"^([A-Z]+ \S+) HTTP/1\.1\r$", re.MULTILINE)
_OBJECT = re.compile(r"GET /[^/? ]+/[^? ]+")  # of an object, not a listing


@dataclass
class Traffic:
    """What went through: requests (method and target, in order), bytes of all answers."""

    requests: list[str] = field(default_factory=list)
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, length: int) -> None:
        """So many bytes of an answer passed, headers included."""
        with self.lock:
            self.bytes += length

    def gets(self) -> int:
        """How many requests were for an object."""
        return sum(_OBJECT.match(request) is not None for request in self.requests)


@contextmanager
def watching(endpoint: str, *, cut_at: int = 0, cuts: int = 0) -> Iterator[tuple[str, Traffic]]:
    """The proxy's URL and what passes; drops its first `cuts` connections after `cut_at` bytes."""
    host, port = endpoint.removeprefix("http://").split(":")
    server = socket.create_server(("127.0.0.1", 0))
    traffic = Traffic()

    def upstream(near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                # A client sends a request's head at one stroke, and nothing here has a body.
                traffic.requests.extend(line.decode() for line in _REQUEST.findall(data))
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def serve(near: socket.socket, *, cut: bool) -> None:
        with near, socket.create_connection((host, int(port))) as far:
            threading.Thread(target=upstream, args=(near, far), daemon=True).start()
            passed = 0
            with suppress(OSError):
                while data := far.recv(1 << 18):
                    passed += len(data)
                    if cut and passed > cut_at:
                        break
                    traffic.answered(len(data))
                    near.sendall(data)
            for end in (near, far):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            for number in itertools.count():
                near, _ = server.accept()
                how = {"cut": number < cuts}
                threading.Thread(target=serve, args=(near,), kwargs=how, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", traffic
    finally:
        server.close()
