"""A Triton of one's own, and what the database must say after a job, whatever happened to it."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass, field, replace

import psutil
import pytest
from sqlalchemy import text

from db.session import connect
from nightread.stack import triton
from nightread.stack.process import Launch, start
from nightread.stack.proofs import NOT_PROVEN, prove_release
from nightread.stack.sweep import sweep
from nightread.stack.wait import until
from triton_repo.release import Release

OWN_SHM = 'mount -t tmpfs -o size="$0" tmpfs /dev/shm && exec "$@"'


@dataclass
class Served:
    """A server, which may be ended and started again at its address."""

    launch: Launch
    release: Release
    shm: str | None
    server: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        return self.launch.url

    @property
    def stubs(self) -> list[psutil.Process]:
        return psutil.Process(self.server.pid).children()

    def start(self) -> None:
        before = triton.environment_folders()
        self.server = start(in_own_shm(self.launch, self.shm) if self.shm else self.launch)
        assert until(self.proven, 90), self.launch.log.read_text()
        made = tuple(triton.environment_folders() - before)
        self.launch = replace(self.launch, leftovers=self.launch.leftovers + made)

    def proven(self) -> bool:
        with contextlib.suppress(*NOT_PROVEN):
            prove_release(self.release, self.url, self.launch.identity, self.server.pid)
            return True
        return False

    def kill(self) -> None:
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        sweep(self.launch.leftovers)


def in_own_shm(launch: Launch, size: str) -> Launch:
    return replace(launch, argv=(*own_shm(size), *launch.argv))


def own_shm(size: str) -> tuple[str, ...]:
    """The beginning of a command that is to see another /dev/shm than we do."""
    command = ("unshare", "--mount", "sh", "-c", OWN_SHM, size)
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("environment: a /dev/shm of one's own needs the right to mount")
    return command


EACH = text(
    """
    SELECT s.study_uid, count(r.id), max(r.score), max(r.reason)
    FROM studies s LEFT JOIN results r
        ON r.study_id = s.id AND r.release = :release AND r.superseded_at IS NULL
    WHERE s.id IN (
        SELECT i.study_id FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE starts_with(o.key, :folder))
    GROUP BY s.study_uid
    """
)


def studies(database_url: str, folder: str, release: Release) -> list[tuple[int, int, str]]:
    """Of each study: how many current results it has, its score, or why it has none."""
    engine = connect(database_url)
    with engine.connect() as connection:
        rows = connection.execute(EACH, {"folder": f"{folder}/", "release": release.digest})
        found = [(row[1], row[2], row[3]) for row in rows]
    engine.dispose()
    return found
