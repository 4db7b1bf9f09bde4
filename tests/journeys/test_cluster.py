"""The same job on a Ray cluster that somebody else started."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightread.stack.ports import draw
from tests.calls import phantom_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ray_cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A head node of its own; yields the environment that joins it."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    (port,) = draw(1)
    # 127.0.0.1 would be replaced by the machine's outside address.
    address = f"127.0.0.2:{port}"
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    session = Path(f"/tmp/nr-test-{os.getpid()}")
    head = subprocess.Popen(
        [
            *(Path(sys.executable).parent / "ray", "start", "--head", "--block"),
            *("--node-ip-address=127.0.0.2", f"--port={port}", "--num-cpus=2"),
            *("--include-dashboard=false", "--object-store-memory=104857600"),
            f"--temp-dir={session}",
        ],
        env=os.environ | auth,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        time.sleep(0.1)
        yield auth | {"address": address}
    finally:
        head.terminate()
        head.wait(30)
        subprocess.run(["rm", "-rf", session], check=True)


def test_a_cluster_screens_what_a_laptop_would(nightread, put, ray_cluster: dict[str, str]) -> None:
    prefix = put("cluster", phantom_files(2, seed=41))
    address = ray_cluster.pop("address")
    deadline = time.monotonic() + 120
    while True:
        called = nightread("screen", prefix, "--json", "--ray-address", address, **ray_cluster)
        if called.code != 3 or time.monotonic() > deadline:  # 3: its head is not up yet
            break
    assert called.code == 0, called.err
    assert called.json["studies"]["scored"] == 2
