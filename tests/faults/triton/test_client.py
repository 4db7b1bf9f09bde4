"""The client over servers that die, hang, lose a stub, or will not share memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import InferenceServerClient

from mammo.findings import RawView
from nightread.stack.wait import until
from ray_jobs.faults import InferenceLost
from ray_jobs.inference import server
from ray_jobs.inference.client import TritonClient, TritonConfig
from ray_jobs.inference.shared_memory import FOLDER, PREFIX
from tests.faults.triton.world import Served, own_shm
from triton_repo import canary
from triton_repo.graphs import Graphs
from triton_repo.release import Release

# A process of its own that asks once, says what was counted, and stays.
ASKING = """
import sys, time
from pathlib import Path
from ray_jobs.inference.client import TritonClient, TritonConfig
from triton_repo import canary
from triton_repo.release import load
manifest = load(Path(sys.argv[2])).manifest
client = TritonClient(TritonConfig((sys.argv[1],), None), manifest)
client.submit(canary.image(manifest.sizes)).result(timeout=60)
counted = client.counted()
print(counted.answers, counted.shared, flush=True)
time.sleep(float(sys.argv[3]))
"""


@contextmanager
def asking(release: Release, *urls: str, **limits: float) -> Iterator[TritonClient]:
    client = TritonClient(TritonConfig(urls, None, **limits), release.manifest)
    try:
        yield client
    finally:
        client.close()


def answered(client: TritonClient, release: Release, count: int) -> list[RawView]:
    """As many views at once, every answer compared with what the graphs say."""
    view = canary.image(release.manifest.sizes)
    views = [np.roll(view, 5 * number, axis=2) for number in range(count)]
    answers = [future.result(timeout=60) for future in [client.submit(one) for one in views]]
    for one, answer in zip(views, answers, strict=True):
        assert np.abs(answer.detection - Graphs.of(release)(one).detection).max() < 1e-3
    return answers


def left_behind() -> list[Path]:
    return list(FOLDER.glob(f"{PREFIX}*"))


def test_each_view_at_once_has_its_own_place_in_shared_memory(
    served: Served, small: Release
) -> None:
    with asking(small, served.url) as client:
        answered(client, small, 12)
        counted = client.counted()
    assert (counted.requests, counted.answers, counted.shared) == (12, 12, 12)
    assert (counted.retries, counted.ejections, counted.failures) == (0, 0, {})
    assert left_behind() == []
    assert regions(served) == []


def regions(served: Served) -> list[str]:
    with InferenceServerClient(served.url) as asked:
        return list(asked.get_system_shared_memory_status().regions)


def test_a_killed_client_leaves_no_name_and_the_next_one_frees_its_memory(
    served: Served, small: Release
) -> None:
    command = [sys.executable, "-c", ASKING, served.url, str(small.folder), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "1 1\n"
        assert left_behind() == []
        killed.kill()
    (region,) = regions(served)
    assert region.startswith(f"{PREFIX}{killed.pid}_")
    with asking(small, served.url) as client:
        answered(client, small, 1)
        (mine,) = regions(served)
    assert mine.startswith(f"{PREFIX}{os.getpid()}_")


def test_a_client_whose_shared_memory_is_full_sends_its_views(
    served: Served, small: Release
) -> None:
    command = [*own_shm("8k"), sys.executable, "-c", ASKING, served.url, str(small.folder), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *said, counted = done.stdout.splitlines()
    assert counted == "1 0"
    assert len([line for line in said if "no_shared_memory" in line]) == 1


def test_a_server_that_can_not_open_the_memory_is_sent_the_views(serve, small: Release) -> None:
    elsewhere = serve(shm="16m")
    server._say_unshared.cache_clear()
    with capture_logs() as said, asking(small, elsewhere.url) as client:
        answered(client, small, 3)
        counted = client.counted()
    assert (counted.answers, counted.shared, counted.retries) == (3, 0, 0)
    assert [line["event"] for line in said] == ["no_shared_memory"]
    assert left_behind() == []


def test_a_server_that_was_started_again_is_given_new_memory(serve, small: Release) -> None:
    own = serve()
    with asking(small, own.url) as client:
        answered(client, small, 2)
        own.kill()
        own.start()
        answered(client, small, 2)
        assert client.counted().shared == 4
        assert len(regions(own)) == 1


def test_an_old_server_is_refused_off_loopback(served: Served, small: Release) -> None:
    # A name of this host that is not its loopback's.
    url = served.url.replace("127.0.0.1", "0.0.0.0")
    with asking(small, url) as client, pytest.raises(InferenceLost, match=r"2\.51.*2\.59"):
        client.prove()


def test_a_server_with_a_dead_stub_is_out_at_once_while_another_serves(
    serve, served: Served, small: Release
) -> None:
    hurt = serve()
    with asking(small, hurt.url, served.url) as client:
        client.prove()
        hurt.stubs[0].kill()
        began = monotonic()
        while not client.counted().ejections:
            answered(client, small, 4)
            assert monotonic() - began < 10
        # It comes back only where both canaries met its other instance, which lives; and goes again.
        before = inferred(served)
        for _ in range(10):
            answered(client, small, 4)
        counted = client.counted()
        assert counted.answers == 40
        assert counted.failures.keys() <= {"INTERNAL"}
        assert sum(counted.failures.values()) <= 4 * counted.ejections
        assert inferred(served) - before >= 30
        hurt.kill()
        hurt.start()
        assert until(lambda: bool(answered(client, small, 4)) and inferred(hurt) > 4, 15)


def inferred(served: Served) -> int:
    with InferenceServerClient(served.url) as asked:
        stats = asked.get_inference_statistics("screening", client_timeout=5).model_stats[0]
        return int(stats.inference_count)


def test_a_server_that_hangs_misses_two_deadlines_of_a_request_and_no_third(
    serve, small: Release
) -> None:
    hung = serve()
    with asking(small, hung.url, deadline_s=0.5, patience_s=1.0) as client:
        client.prove()
        with stopped(hung), pytest.raises(InferenceLost, match="DEADLINE_EXCEEDED"):
            answered(client, small, 1)
        assert client.counted().failures == {"DEADLINE_EXCEEDED": 2}
        answered(client, small, 1)


@pytest.mark.slow
def test_the_views_of_a_server_that_hangs_go_to_another_until_it_answers_again(
    serve, served: Served, small: Release
) -> None:
    hung = serve()
    with asking(small, hung.url, served.url, deadline_s=1.0) as client:
        client.prove()
        with stopped(hung):
            while not client.counted().ejections:
                answered(client, small, 4)
            answered(client, small, 8)
            assert client.counted().failures == {}
        before = inferred(hung)
        assert until(lambda: bool(answered(client, small, 4)) and inferred(hung) > before + 2, 30)


@contextmanager
def stopped(served: Served) -> Iterator[None]:
    os.kill(served.server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(served.server.pid, signal.SIGCONT)
