"""A TCP proxy that hurts: what lies between a job and its archive on a bad night."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def cutting(endpoint: str, cut_at: int, cuts: int) -> Iterator[str]:
    """A TCP proxy that drops its first `cuts` connections after `cut_at` bytes of answer."""
    with _between(endpoint, cut_at, [cuts], []) as url:
        yield url


@contextmanager
def watching(endpoint: str) -> Iterator[tuple[str, list[str]]]:
    """A TCP proxy that notes the HTTP requests that pass: method and target, in order."""
    seen: list[str] = []
    with _between(endpoint, 0, [0], seen) as url:
        yield url, seen


_REQUEST = re.compile(rb"^([A-Z]+ \S+) HTTP/1\.1\r$", re.MULTILINE)


@contextmanager
def _between(endpoint: str, cut_at: int, left: list[int], seen: list[str]) -> Iterator[str]:
    host, port = endpoint.removeprefix("http://").split(":")
    server = socket.create_server(("127.0.0.1", 0))

    def serve(near: socket.socket) -> None:
        far = socket.create_connection((host, int(port)))
        cut = left[0] > 0
        left[0] -= 1

        def upstream() -> None:
            with suppress(OSError):
                while data := near.recv(65536):
                    # A client sends a request's head at one stroke, and nothing here has a body.
                    seen.extend(line.decode() for line in _REQUEST.findall(data))
                    far.sendall(data)

        threading.Thread(target=upstream, daemon=True).start()
        passed = 0
        with suppress(OSError):
            while data := far.recv(65536):
                passed += len(data)
                if cut and passed > cut_at:
                    break
                near.sendall(data)
        for end in (near, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                threading.Thread(target=serve, args=(near,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
