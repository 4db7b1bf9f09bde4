"""One server of one's own for as long as a test run lasts, without the rest of the stack."""

import contextlib
import dataclasses
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nightread.errors import ServiceError
from nightread.stack import logins, postgres, seaweedfs
from nightread.stack.files import last_line
from nightread.stack.layout import Layout
from nightread.stack.process import Launch, finish, port_was_taken, start
from nightread.stack.proofs import NOT_PROVEN, make_buckets, prove_s3
from nightread.stack.state import ServiceState
from nightread.stack.sweep import sweep
from nightread.stack.wait import until

TRIES = 3  # ports are drawn, not reserved
PATIENCE = 60.0  # seconds


class S3(NamedTuple):
    """A SeaweedFS with the bucket `archive`."""

    endpoint_url: str
    region: str
    credentials_file: Path  # profiles `default`, which only reads `archive`, and `admin`


def _answers(plan: Launch, ready: Callable[[Launch], object]) -> bool:
    with contextlib.suppress(*NOT_PROVEN):
        ready(plan)
        return True
    return False


def _started(
    make: Callable[[], Launch], ready: Callable[[Launch], object]
) -> tuple[Launch, "subprocess.Popen[bytes]"]:
    for _ in range(TRIES):
        plan = make()
        server = start(plan)
        until(lambda: server.poll() is not None or _answers(plan, ready), PATIENCE)  # noqa: B023
        if server.poll() is None:
            return plan, server
        if not port_was_taken(plan):
            break
    raise ServiceError(f"{plan.service} did not start: {last_line(plan.log)} (log: {plan.log}).")


@contextlib.contextmanager
def postgresql(
    folder: Path, *, durable: bool = False, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """A server over the cluster in `folder`, a fresh one without durability unless told otherwise.

    Yields the SQLAlchemy URL of its superuser; the password file lies in `folder` too. Raises
    ServiceError when it does not start.
    """
    layout = Layout(folder)
    postgres.make_logins(layout.passfile)
    plan, running = _started(
        lambda: postgres.launch(
            layout.postgres, layout.passfile, throw_away=not durable, more=more
        ),
        lambda plan: logins.make_database(plan.url, layout.passfile),
    )
    try:
        yield logins.login_url(plan.url, postgres.OWNER, layout.passfile)
    finally:
        finish([(plan, running)])
        postgres.release_memory(layout.postgres)


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[S3]:
    """A fresh SeaweedFS; raises ServiceError when it does not start."""
    layout = Layout(folder)
    seaweedfs.make_credentials(layout.credentials_file)

    def make() -> Launch:
        plan = seaweedfs.launch(layout.seaweedfs, layout.credentials_file)
        return dataclasses.replace(plan, stop=signal.SIGKILL)  # nothing here is to be kept

    def ready(plan: Launch) -> None:
        told = ServiceState(plan.service, url=plan.url)
        make_buckets(told, layout)
        prove_s3(told, layout)

    plan, running = _started(make, ready)
    try:
        yield S3(plan.url, seaweedfs.REGION, layout.credentials_file)
    finally:
        finish([(plan, running)])
        sweep(plan.leftovers)
