import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

CODE = """
import sys
from pathlib import Path
from nightread.settings import Settings
from nightread.stack.foreground import serve_release
from triton_repo.release import load
serve_release(load(Path(sys.argv[1])), Settings(), lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize(("name", "instances"), [("small", 2), ("several", 2)])
def test_a_release_is_served_until_interrupted_and_nothing_stays(
    small_releases: Path, name: str, instances: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(small_releases / name)],
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        said = command.stdout.readline()
        assert f"serves release {name}: the canary's answer is right" in said
        children = psutil.Process(command.pid).children(recursive=True)
        (server,) = (child for child in children if child.name() == "tritonserver")
        regions = {Path(m.path) for c in children for m in c.memory_maps() if "/shm/" in m.path}
        assert len(regions) == instances
        backends = next(word for word in server.cmdline() if "--backend-directory=" in word)
        folder = Path(backends.split("=")[1]).parent
        assert folder.is_dir()
        os.kill(command.pid, signal.SIGINT)
        assert command.wait(20) == 0
    assert not [child for child in children if child.is_running()]
    assert not [path for path in regions if path.exists()]
    assert not folder.exists()
