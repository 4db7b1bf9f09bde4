"""Ray, local or a cluster's, started so that workers hold nothing that they do not need."""

import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from ray_jobs import sessions
from ray_jobs.faults import ServiceLost

CONNECT_TIMEOUT_S = 5.0
OBJECT_STORE_BYTES = 150 << 20  # results are a few kilobytes; images never leave their task

# A local worker inherits the driver's environment. This is all that it gets: no database
# address, no password, no token. S3 credentials are the one thing that a worker does need.
_KEPT = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        # The way to S3 and Triton: proxies and certificate authorities.
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    }
)
_KEPT_PREFIXES = ("AWS_",)
WORKER_SETTINGS = {
    # One core a task: libraries must not start pools of their own.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc would return each image's pages to the kernel and fault them in for the next one.
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "536870912",
    "MALLOC_ARENA_MAX": "2",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
}


def worker_environment(environ: dict[str, str]) -> dict[str, str]:
    """What of the driver's environment a worker may see, and the settings that it needs."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return kept | WORKER_SETTINGS


def _restore(stop: Any) -> None:
    """Take SIGTERM back: Ray's own handler aborts with a dump of its stack."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def _join(address: str) -> None:
    """Connect to somebody else's cluster; raises `ServiceLost` in one sentence."""
    what = (
        f"Ray at {address} could not be reached: check NIGHTREAD_RAY_ADDRESS, that its head "
        "runs, and RAY_AUTH_TOKEN_PATH."
    )
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        # Ray itself would try for minutes.
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
        except OSError:
            raise ServiceLost(what) from None
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            configure_logging=False,
            runtime_env={"env_vars": WORKER_SETTINGS},
        )
    except (RayError, ConnectionError, RuntimeError, ValueError):
        raise ServiceLost(what) from None


@contextmanager
def cluster(address: str | None, cpus: int | None = None) -> Iterator[None]:
    """A Ray cluster to submit to: one at `address`, or a local one that ends with the block.

    The local one leaves no process, no session folder and no token behind.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    stop = signal.getsignal(signal.SIGTERM)
    if address:
        _join(address)
        _restore(stop)
        try:
            yield
        finally:
            ray.shutdown()
        return
    sessions.sweep()
    folder = sessions.create()
    token = folder / "token"
    token.touch(0o600)
    token.write_text(os.urandom(32).hex())
    whole = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(worker_environment(whole) | {"RAY_AUTH_TOKEN_PATH": str(token)})
        ray.init(
            num_cpus=cpus or len(os.sched_getaffinity(0)),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(folder),
            log_to_driver=False,
            configure_logging=False,
        )
        # The driver gets its own environment back; Ray's processes keep the small one.
        os.environ.update(whole)
        _restore(stop)
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(whole)
        shutil.rmtree(folder, ignore_errors=True)
