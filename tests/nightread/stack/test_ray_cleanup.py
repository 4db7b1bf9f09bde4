import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nightread.stack import ray_cleanup


def test_a_killed_jobs_folder_goes_with_what_still_runs_from_it_and_a_live_jobs_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_cleanup, "LEAVE_SECONDS", 0.3)
    with subprocess.Popen([sys.executable, "-c", ""]) as driver:
        pass  # has ended, and was reaped
    abandoned = Path(tempfile.mkdtemp(prefix=f"nr-ray-{driver.pid}-", dir="/tmp"))
    in_use = Path(tempfile.mkdtemp(prefix=f"nr-ray-{os.getpid()}-", dir="/tmp"))
    (abandoned / "session_1" / "logs").mkdir(parents=True)
    hang = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with (
        subprocess.Popen([*hang, f"{abandoned}/session_1/raylet"], stdin=subprocess.PIPE) as orphan,
        subprocess.Popen([*hang, f"{in_use}/session_1/raylet"], stdin=subprocess.PIPE) as raylet,
    ):
        ray_cleanup.remove_abandoned()
        assert orphan.wait(5) == -9
        assert raylet.poll() is None
        raylet.kill()
    assert not abandoned.exists()
    assert in_use.exists()
    in_use.rmdir()
