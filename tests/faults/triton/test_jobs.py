"""Guarantees 1 and 2 while Triton dies, hangs, or has its model taken away: asked of the database."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from tritonclient.grpc import InferenceServerClient

from nightread.stack import seaweedfs, state
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from nightread.stack.status import status
from nightread.stack.wait import until
from tests.calls import BUCKET, NIGHTREAD, environment, phantom_files
from tests.conftest import Stack
from tests.faults.triton.world import Served, studies
from triton_repo.release import Release

STUDIES = 5


@pytest.fixture
def upload(small_stack: Stack) -> Callable[[str, Mapping[str, bytes]], str]:
    layout = Layout(small_stack.folder)
    admin = seaweedfs.read_credentials(layout.credentials_file, seaweedfs.ADMIN)
    client = s3_client(small_stack.settings.s3_endpoint_url or "", admin)

    def put(folder: str, files: Mapping[str, bytes]) -> str:
        for name, body in files.items():
            client.put_object(Bucket=BUCKET, Key=f"{folder}/{name}", Body=body)
        return f"s3://{BUCKET}/{folder}/"

    return put


class Job:
    """`nightread screen` on the small stack, a study at a time, and what its log says."""

    def __init__(self, stack: Stack, prefix: str, cwd: Path, **settings: str) -> None:
        config = Layout(stack.folder).settings_file
        self.log = (cwd / "log").open("w+")
        self.process = subprocess.Popen(
            [NIGHTREAD, "screen", prefix, "--config", config],
            env=environment(NIGHTREAD_WINDOW="1", NIGHTREAD_LOG_FORMAT="json", **settings),
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            cwd=cwd,
        )

    def ended(self) -> tuple[int, str]:
        """Its exit code, and all that it said."""
        code = self.process.wait(150)
        self.log.seek(0)
        return code, self.log.read()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def job(small_stack: Stack, tmp_path: Path) -> Iterator[Callable[..., Job]]:
    started: list[Job] = []

    def start(prefix: str, **settings: str) -> Job:
        started.append(Job(small_stack, prefix, tmp_path, **settings))
        return started[-1]

    yield start
    for one in started:
        one.end()


def triton_asked(said: str) -> dict[str, int]:
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (found,) = [line for line in lines if line["event"] == "triton_asked"]
    return found


class Night:
    """A job, and the database that has to be right after it."""

    def __init__(self, stack: Stack, folder: str, release: Release) -> None:
        self.url, self.folder, self.release = stack.settings.database_url or "", folder, release

    def scored(self) -> int:
        return sum(score is not None for _, score, _ in self.studies())

    def studies(self) -> list[tuple[int, int, str]]:
        return studies(self.url, self.folder, self.release)

    def half_way(self, job: Job) -> None:
        """Wait for the first results."""
        assert until(lambda: self.scored() >= 2 or job.process.poll() is not None, 120)
        assert job.process.poll() is None, f"it ended before it could be hurt: {job.ended()}"

    def is_whole(self) -> None:
        """One current result a study, or one reason."""
        found = self.studies()
        assert len(found) == STUDIES
        assert all(current == 1 for current, _, _ in found)
        assert all((score is None) != (reason is None) for _, score, reason in found)


def served_again(stack: Stack, restarts: int) -> bool:
    layout = Layout(stack.folder)
    found = state.read(layout.state)
    assert found is not None
    triton = next(row for row in status(layout) if row.service == "triton")
    return found.services["triton"].restarts > restarts and triton.state == "running"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hurt", ["server", "stub"])
def test_a_job_outlives_a_triton_that_is_started_again(
    small_stack: Stack, small: Release, upload, job, hurt: str
) -> None:
    night = Night(small_stack, f"killed-{hurt}", small)
    prefix = upload(night.folder, phantom_files(STUDIES, seed=400 + len(hurt)))
    told = state.read(Layout(small_stack.folder).state).services["triton"]
    running = job(prefix)
    night.half_way(running)
    server = psutil.Process(told.process.pid)
    (server if hurt == "server" else server.children()[0]).kill()
    code, said = running.ended()
    assert code == 0, said
    night.is_whole()
    assert night.scored() == STUDIES
    assert until(lambda: served_again(small_stack, told.restarts), 60)
    asked = triton_asked(said)
    assert asked["requests"] == asked["shared"] == 4 * STUDIES


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_job_waits_for_a_model_that_is_exchanged(
    small_stack: Stack, small: Release, upload, job, serve
) -> None:
    own: Served = serve()
    night = Night(small_stack, "unloaded", small)
    running = job(
        upload(night.folder, phantom_files(STUDIES, seed=410)), NIGHTREAD_TRITON_URL=own.url
    )
    night.half_way(running)
    with InferenceServerClient(own.url) as admin:
        admin.unload_model("screening")
        time.sleep(3)  # requests come meanwhile
        admin.load_model("screening")
    code, said = running.ended()
    assert code == 0, said
    assert triton_asked(said)["failures"]["NOT_FOUND"] > 0
    night.is_whole()
    assert night.scored() == STUDIES


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_triton_that_hangs_costs_time_or_a_reason_and_nothing_is_lost(
    small_stack: Stack, small: Release, upload, job, serve
) -> None:
    own: Served = serve()
    night = Night(small_stack, "hung", small)
    prefix = upload(night.folder, phantom_files(STUDIES, seed=411))
    running = job(prefix, NIGHTREAD_TRITON_URL=own.url)
    night.half_way(running)
    os.kill(own.server.pid, signal.SIGSTOP)
    time.sleep(45)  # longer than a request's deadline
    os.kill(own.server.pid, signal.SIGCONT)
    code, said = running.ended()
    assert code in (0, 4), said
    assert triton_asked(said)["failures"]["DEADLINE_EXCEEDED"] > 0
    night.is_whole()
    again = job(prefix, NIGHTREAD_TRITON_URL=own.url)
    assert again.ended()[0] == 0
    night.is_whole()
    assert night.scored() == STUDIES


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_triton_that_is_gone_for_good_ends_the_job_and_the_next_one_goes_on(
    small_stack: Stack, small: Release, upload, job, serve
) -> None:
    own: Served = serve()
    night = Night(small_stack, "gone", small)
    prefix = upload(night.folder, phantom_files(STUDIES, seed=412))
    running = job(prefix, NIGHTREAD_TRITON_URL=own.url)
    night.half_way(running)
    own.kill()
    code, said = running.ended()
    assert code == 3, said
    assert all(current <= 1 for current, _, _ in night.studies())
    own.start()
    again = job(prefix, NIGHTREAD_TRITON_URL=own.url)
    assert again.ended()[0] == 0
    night.is_whole()
    assert night.scored() == STUDIES


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_job_goes_on_without_shared_memory(
    small_stack: Stack, small: Release, upload, job, serve
) -> None:
    elsewhere: Served = serve(shm="16m")
    night = Night(small_stack, "unshared", small)
    running = job(
        upload(night.folder, phantom_files(STUDIES, seed=413)), NIGHTREAD_TRITON_URL=elsewhere.url
    )
    code, said = running.ended()
    assert code == 0, said
    assert said.count("no_shared_memory") == 1
    asked = triton_asked(said)
    assert (asked["requests"], asked["shared"]) == (4 * STUDIES, 0)
    night.is_whole()
    assert night.scored() == STUDIES
