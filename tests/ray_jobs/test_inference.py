"""The client: the answers are the graphs' own, and only what may pass is tried again."""

import socket
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from mammo.findings import RawView
from ray_jobs.faults import InferenceFailed, InferenceLost
from ray_jobs.inference.client import TritonClient, TritonConfig
from ray_jobs.inference.server import checked, local
from ray_jobs.inference.statuses import retryable, unsafe
from triton_repo import canary
from triton_repo.contract import Sizes
from triton_repo.graphs import Graphs
from triton_repo.release import Canary, Release, load


@pytest.fixture(scope="module")
def release(stack) -> Release:
    return load(stack.settings.releases_dir / stack.settings.release)


@pytest.fixture(scope="module")
def small(small_releases: Path) -> Release:
    return load(small_releases / "small")


@pytest.fixture(scope="module")
def client(stack, release: Release):
    opened = TritonClient(TritonConfig(stack.settings.triton_urls, None), release.manifest)
    yield opened
    opened.close()


def views(sizes: Sizes, count: int) -> list[np.ndarray]:
    """Pictures with something in them, none like the other."""
    whole = canary.image(sizes)
    return [np.roll(whole, 37 * n, axis=1) for n in range(count)]


def test_the_ensemble_answers_what_its_graphs_answer(client, release: Release) -> None:
    graphs = Graphs.of(release)
    pictures = views(release.manifest.sizes, 4)
    futures = [client.submit(picture) for picture in pictures]
    for picture, future in zip(pictures, futures, strict=True):
        mine, right = future.result(timeout=60), graphs(picture)
        n = right.count
        assert mine.count == n
        assert np.abs(mine.boxes[:n] - right.boxes[:n]).max(initial=0) < 0.5
        assert np.abs(mine.detection[:n] - right.detection[:n]).max(initial=0) < 1e-3
        assert np.abs(mine.lesion[:n] - right.lesion[:n]).max(initial=0) < 1e-3
        assert np.abs(mine.malignancy[:n] - right.malignancy[:n]).max(initial=0) < 1e-3
        assert (mine.kind[:n] == right.kind[:n]).all()


def test_the_right_server_proves_itself(client) -> None:
    client.prove()


def test_a_server_of_another_release_is_refused(stack, release: Release) -> None:
    right = release.manifest.canary
    other = Canary(
        count=right.count,
        boxes=right.boxes,
        detection=[p / 2 for p in right.detection],
        lesion=right.lesion,
        malignancy=right.malignancy,
    )
    manifest = release.manifest.model_copy(update={"canary": other, "name": "other"})
    asking = TritonClient(TritonConfig(stack.settings.triton_urls, None), manifest)
    with pytest.raises(InferenceLost, match="does not serve release other"):
        asking.prove()
    asking.close()


def test_no_server_is_a_lost_service_after_bounded_tries(small: Release) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        alone = TritonClient(TritonConfig((url,), None, patience_s=1.0), small.manifest)
        with pytest.raises(InferenceLost, match="NIGHTREAD_TRITON_URL"):
            alone.submit(canary.image(small.manifest.sizes)).result(timeout=60)
        alone.close()


def test_a_closed_client_leaves_no_socket_open(small: Release) -> None:
    def once() -> int:
        TritonClient(TritonConfig(("127.0.0.1:9",), None), small.manifest).close()
        return len(list(Path("/proc/self/fd").iterdir()))

    once()  # gRPC keeps a few of its own
    assert once() == once()


def answer(**changed: object) -> RawView:
    values = {
        "count": 2,
        "boxes": np.ones((4, 4), np.float32),
        "detection": np.full(4, 0.5, np.float32),
        "kind": np.zeros(4, np.int32),
        "lesion": np.full(4, 0.5, np.float32),
        "malignancy": np.full(4, 0.5, np.float32),
    }
    return RawView(**values | changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": -1},
        {"count": 5},
        {"boxes": np.full((4, 4), np.nan, np.float32)},
        {"detection": np.array([0.5, np.nan, 0, 0], np.float32)},
        {"lesion": np.array([np.nan, 0.5, 0, 0], np.float32)},
        {"malignancy": np.array([1.5, 0.5, 0, 0], np.float32)},
        {"kind": np.array([0, 2, 0, 0], np.int32)},
        {"suspicion": float("nan")},
        {"suspicion": 1.5},
    ],
)
def test_an_impossible_answer_is_a_failure_and_never_a_low_score(wrong: dict[str, object]) -> None:
    checked(answer())
    with pytest.raises(InferenceFailed, match="Triton answered"):
        checked(answer(**wrong))


def test_one_dead_server_of_two_does_not_stop_the_night(stack, release: Release) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{taken.getsockname()[1]}"
        both = TritonClient(
            TritonConfig((dead, *stack.settings.triton_urls), None), release.manifest
        )
        both.prove()
        answer = both.submit(canary.image(release.manifest.sizes)).result(timeout=60)
        assert canary.problem(release.manifest.canary, answer) is None
        both.close()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("127.0.0.1:8001", True),
        ("127.0.0.7:8001", True),
        ("localhost:8001", True),
        ("[::1]:8001", True),
        ("127.example.org:8001", False),
        ("10.0.0.1:8001", False),
        ("0.0.0.0:8001", False),
        ("triton:8001", False),
    ],
)
def test_only_a_loopback_address_is_this_host(url: str, *, here: bool) -> None:
    assert local(url) is here


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("2.51.0", True),
        ("2.58.9", True),
        ("2.59.0", False),
        ("2.70.0dev", False),
        ("3.0", False),
        ("", True),
        ("unknown", True),
    ],
)
def test_a_version_in_which_clients_can_run_code_is_unsafe(version: str, *, refused: bool) -> None:
    assert unsafe(version) is refused


@pytest.mark.parametrize(
    ("status", "text", "again"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", True),
        ("UNAVAILABLE", "Stream removed (Socket closed)", True),
        ("UNAVAILABLE", "Exceeds maximum queue size", True),
        ("UNAVAILABLE", "This protocol is restricted", False),
        ("UNAVAILABLE", "Tls handshake failed", False),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", True),
        ("NOT_FOUND", "Request for unknown model: 'x' has no available versions", True),
        ("NOT_FOUND", "Request for unknown model: 'x' is not found", True),
        ("NOT_FOUND", "Unable to find shared memory region: 'x'", True),
        ("INTERNAL", "Stub process 'm_0_0' is not healthy.", True),
        ("INTERNAL", "Failed to increase the shared memory pool size", True),
        ("INTERNAL", "Failed to process the request(s)", False),
        ("INVALID_ARGUMENT", "unexpected shape for input 'image'", False),
        ("RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max", False),
    ],
)
def test_only_what_may_pass_is_tried_again(status: str, text: str, *, again: bool) -> None:
    assert retryable(InferenceServerException(text, status=f"StatusCode.{status}")) is again
