"""Free loopback ports, drawn from where the kernel does not draw its own."""

import contextlib
import secrets
import socket

HOST = "127.0.0.1"
# Outgoing connections take their ports from net.ipv4.ip_local_port_range, from 32768 on: a port
# from there may be gone between our test and the server's start.
FIRST, LAST = 10_000, 29_999


def draw(count: int) -> list[int]:
    """`count` different ports that nothing listens on now. None is reserved: bind may still fail."""
    found: set[int] = set()
    while len(found) < count:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, FIRST + secrets.randbelow(LAST - FIRST + 1)))
            found.add(probe.getsockname()[1])
    return list(found)
