"""Guarantee 8: bounded in tasks and in time, whatever the tasks do."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import ray
from ray.exceptions import RayError

from mammo.codes import Reason
from mammo.pixel_error import PixelError
from mammo.prepare import Preparation
from ray_jobs import breadcrumbs, tasks
from ray_jobs.cluster import WORKER_SETTINGS
from ray_jobs.contained import Decoder
from ray_jobs.sessions import sweep
from ray_jobs.stages import Stages
from ray_jobs.window import finished, streamed

pytestmark = pytest.mark.usefixtures("local_ray")


@ray.remote(max_retries=0)
def double(n: int) -> int:
    return 2 * n


@ray.remote(max_retries=0)
def die_at_three(n: int) -> int:
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


@ray.remote(max_retries=0)
def sleep_at_one(n: int) -> int:
    time.sleep(60 if n == 1 else 0)
    return n


@ray.remote(max_retries=0, num_returns="streaming")
def count_to(n: int) -> Iterator[int]:
    for number in range(n):
        yield number
        if (n, number) == (5, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60 if (n, number) == (6, 1) else 0)


@ray.remote
def environment() -> tuple[dict[str, str], str]:
    return dict(os.environ), Path("/proc/self/environ").read_text()


@ray.remote
def settings_of_both() -> tuple[list[str], list[str], int]:
    decoder = tasks._decoder(1024)
    tasks._settle()
    with contextlib.suppress(PixelError):
        decoder.prepare(b"", None, Preparation(), Stages())
    both = (Path("/proc/self/environ"), Path(f"/proc/{decoder.child}/environ"))
    worker, child = (path.read_text().split("\0") for path in both)
    return worker, child, cv2.getNumThreads()


def test_every_item_comes_back_once_with_its_value() -> None:
    ended = list(finished(range(40), double.remote, limit=4, timeout_s=30))
    assert sorted((e.item, e.value) for e in ended) == [(n, 2 * n) for n in range(40)]


@ray.remote
def codec_that_crashes() -> str:
    decoder = Decoder(1024)
    with contextlib.suppress(PixelError):
        decoder.prepare(b"", None, Preparation(), Stages())
    assert decoder.child is not None
    os.kill(decoder.child, signal.SIGSEGV)
    try:
        decoder.prepare(b"", None, Preparation(), Stages())
    except PixelError as error:
        return str(error)
    return "nothing"


def test_a_codec_that_crashes_leaves_its_worker_alive() -> None:
    said = ray.get(codec_that_crashes.remote())
    assert said.startswith(Reason.DECODE_CRASHED)
    assert "SIGSEGV" in said


@ray.remote(max_retries=0)
def die_while_decoding(study: str) -> None:
    breadcrumbs.leave(study, "fetch", 0)
    breadcrumbs.leave(study, "decode", 900)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_leaves_its_stage_and_its_peak_memory() -> None:
    (ended,) = finished(["1.2.3"], die_while_decoding.remote, 1, 30)
    assert isinstance(ended.value, RayError)
    crumb = breadcrumbs.found("1.2.3")
    assert crumb is not None
    assert crumb.stage == "decode"
    assert crumb.peak_mb > 900
    assert breadcrumbs.found("1.2.3") is None


def test_an_item_is_taken_only_when_a_place_is_free() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for n in range(20):
            taken.append(n)
            yield n

    for seen, _ in enumerate(finished(source(), double.remote, limit=3, timeout_s=30)):
        assert len(taken) <= seen + 3


def test_a_dead_worker_costs_its_own_item_and_no_other() -> None:
    ended = {e.item: e.value for e in finished(range(6), die_at_three.remote, 2, 30)}
    assert isinstance(ended.pop(3), RayError)
    assert ended == {n: n for n in (0, 1, 2, 4, 5)}


def test_a_task_over_its_time_is_killed_and_said_to_be_overdue() -> None:
    ended = {e.item: e for e in finished(range(3), sleep_at_one.remote, 2, timeout_s=6)}
    assert [e.overdue for e in (ended[0], ended[1], ended[2])] == [False, True, False]


def test_every_value_of_a_streaming_task_comes_in_order_and_then_its_end() -> None:
    ended = list(streamed([1, 4, 3, 0], count_to.remote, 2, 30))
    for n in (1, 4, 3, 0):
        assert [e.value for e in ended if e.item == n] == [*range(n), None]


def test_a_streaming_task_that_dies_keeps_what_it_gave_and_its_neighbours_theirs() -> None:
    ended = list(streamed([4, 5], count_to.remote, 2, 30))
    *given, error = [e.value for e in ended if e.item == 5]
    assert given == list(range(len(given)))
    assert len(given) <= 3
    assert isinstance(error, RayError)
    assert [e.value for e in ended if e.item == 4] == [0, 1, 2, 3, None]


def test_a_streaming_task_that_stops_giving_is_killed() -> None:
    ended = [e for e in streamed([6, 2], count_to.remote, 2, timeout_s=6) if e.item == 6]
    assert [e.value for e in ended] == [0, 1, None]
    assert [e.overdue for e in ended] == [False, False, True]


def test_a_worker_holds_no_database_address_and_no_password() -> None:
    environ, at_start = ray.get(environment.remote())
    assert "planted-secret" not in at_start + repr(environ)
    assert not [name for name in environ if "DATABASE" in name or name.startswith("PG")]


def test_a_worker_and_its_child_start_with_the_settings_that_were_measured() -> None:
    """Without them each image's pages fault in anew, and libraries start threads of their own."""
    worker, child, threads = ray.get(settings_of_both.remote())
    for line in (f"{name}={value}" for name, value in WORKER_SETTINGS.items()):
        assert line in worker
        assert line in child
    assert threads == 1


def test_a_dead_drivers_session_folder_is_swept() -> None:
    left = Path("/tmp/nr-ray-4194400-left")  # over the highest process number
    left.mkdir(exist_ok=True)
    assert left in sweep()
    assert not left.exists()
