"""`nightread canary` sees what Triton's own health checks do not."""

import os
import signal

from tritonclient.grpc import InferenceServerClient

from tests.calls import call
from tests.faults.triton.world import Served
from triton_repo.release import Release


def probe(served: Served, release: Release, tmp_path, name: str = "small"):  # type: ignore[no-untyped-def]
    where = ("--releases", str(release.folder.parent))
    return call("canary", name, *where, cwd=tmp_path, NIGHTREAD_TRITON_URL=served.url)


def test_a_server_is_right_until_one_of_its_stubs_is_dead(serve, small: Release, tmp_path) -> None:
    served = serve()
    right = probe(served, small, tmp_path)
    assert (right.code, right.err) == (0, "")
    assert "release small: the canary's answer is right" in right.out
    os.kill(served.stubs[0].pid, signal.SIGKILL)
    wrong = probe(served, small, tmp_path)
    assert wrong.code == 3
    assert wrong.err.startswith(f"nightread: Triton at {served.url} gave no answer")
    assert wrong.err.count("\n") == 1
    with InferenceServerClient(served.url) as asked:
        assert asked.is_server_ready()
        assert asked.is_model_ready("screening")


def test_a_server_of_another_release_is_named(served: Served, small: Release, tmp_path) -> None:
    wrong = probe(served, small, tmp_path, "several")
    assert wrong.code == 3
    assert wrong.err == (
        f"nightread: Triton at {served.url} refused the canary (StatusCode.INVALID_ARGUMENT): it "
        "serves another release than several, or none.\n"
    )
