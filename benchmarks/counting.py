"""A TCP proxy in front of S3 that counts what is asked for and what comes back."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_GET = re.compile(rb"^GET /[^/? ]+/[^? ]+[? ]", re.MULTILINE)  # of an object, not of a listing


@dataclass
class Counted:
    """What went through: requests for objects, and bytes of all answers, headers included."""

    gets: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, gets: int, length: int) -> None:
        with self.lock:
            self.gets += gets
            self.bytes += length


@contextmanager
def counting(endpoint: str) -> Iterator[tuple[str, Counted]]:
    """The proxy's URL and its counters."""
    host, port = endpoint.removeprefix("http://").split(":")
    counted = Counted()
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 18):
                gets = 0 if answers else len(_GET.findall(data))
                counted.add(gets, len(data) if answers else 0)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(near: socket.socket) -> None:
        with near, socket.create_connection((host, int(port))) as far:
            asked = threading.Thread(
                target=pump, args=(near, far), kwargs={"answers": False}, daemon=True
            )
            asked.start()
            pump(far, near, answers=True)
            asked.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                threading.Thread(target=serve, args=(near,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", counted
    finally:
        server.close()
