import subprocess
import sys
from pathlib import Path

import pytest

from nightread.stack import ray_cleanup
from nightread.stack.layout import Layout


def test_a_recorded_folder_is_removed_with_what_still_runs_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cleanup, "LEAVE_SECONDS", 0.3)
    layout, folder, other = Layout(tmp_path / "stack"), tmp_path / "ray", tmp_path / "ray2"
    for path in (layout.root, folder / "session_1" / "logs", other):
        path.mkdir(parents=True)
    hang = "import sys; sys.stdin.read()"
    argv = [sys.executable, "-c", hang]
    with (
        subprocess.Popen([*argv, f"{folder}/session_1/raylet"], stdin=subprocess.PIPE) as ours,
        subprocess.Popen([*argv, f"{other}/session_1/raylet"], stdin=subprocess.PIPE) as theirs,
    ):
        ray_cleanup.record(layout, folder)
        ray_cleanup.record(layout, folder)
        ray_cleanup.remove_recorded(layout)
        assert ours.wait(5) == -9
        assert theirs.poll() is None
        assert not folder.exists()
        assert other.exists()
        assert not layout.ray_folders.exists()
        theirs.kill()


def test_without_a_record_nothing_is_removed(tmp_path: Path) -> None:
    ray_cleanup.remove_recorded(Layout(tmp_path))
    assert list(tmp_path.iterdir()) == []
