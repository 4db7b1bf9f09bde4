"""Servers that are killed, broken or left alone: seen in `status`, and nothing stays behind."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nightread.errors import Refused, ServiceError
from nightread.settings import Settings, load_settings
from nightread.shapes import ServiceStatus
from nightread.stack.down import down
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from nightread.stack.seaweedfs import read_credentials
from nightread.stack.state import read
from nightread.stack.status import status
from nightread.stack.up import up
from nightread.stack.wait import until
from tests.nightread.stack.world import footprint, named, supervisor


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path / "stack")
    yield layout
    down(layout)


def by_name(layout: Layout) -> dict[str, ServiceStatus]:
    return {row.service: row for row in status(layout)}


def test_killed_servers_show_in_status_and_down_leaves_nothing(
    layout: Layout, small_releases: Path
) -> None:
    up(layout, Settings(releases_dir=small_releases), tell=print)
    made = footprint(layout.root)
    assert len(made.names) >= 4 + 2 + 1  # weed's sockets, a region a model instance, a folder
    for name in ("seaweedfs", "postgresql"):
        os.kill(by_name(layout)[name].pid or 0, signal.SIGKILL)
        assert until(lambda name=name: "exit code -9" in by_name(layout)[name].proof, 5)
        assert by_name(layout)[name].state == "failed"

    down(layout)
    assert made.left() == []
    assert {row.state for row in by_name(layout).values()} == {"stopped"}


def test_a_triton_without_a_stub_or_killed_is_started_again_at_the_same_address(
    layout: Layout, small_releases: Path
) -> None:
    up(layout, Settings(releases_dir=small_releases), tell=print)
    first, made = by_name(layout)["triton"], [footprint(layout.root)]

    def served_again(pid: int | None) -> bool:
        row = by_name(layout)["triton"]
        return row.state == "running" and row.pid != pid

    # A dead stub: Triton goes on calling itself ready, and the other instance answers.
    psutil.Process(first.pid).children()[0].kill()
    assert until(lambda: read(layout.state).services["triton"].restarts == 1, 10)
    assert until(lambda: served_again(first.pid), 60)
    second = by_name(layout)["triton"]
    made.append(footprint(layout.root))
    assert second.url == first.url
    assert "(restarts: 1, the last because 1 of its 2 model instances were alive)" in second.proof

    os.kill(second.pid or 0, signal.SIGKILL)
    assert until(lambda: served_again(second.pid), 60)
    third = by_name(layout)["triton"]
    made.append(footprint(layout.root))
    assert third.url == first.url
    assert "(restarts: 2, the last because it ended with exit code -9: " in third.proof
    assert (layout.triton / "log.before").exists()

    down(layout)
    assert [one.left() for one in made] == [[], [], []]


@pytest.mark.slow
def test_data_and_credentials_persist_over_a_clean_down_which_leaves_nothing(
    layout: Layout, small_releases: Path
) -> None:
    settings = Settings(releases_dir=small_releases)
    up(layout, settings, tell=print)
    made = footprint(layout.root)
    keys = read_credentials(layout.credentials_file, "admin")
    endpoint = load_settings(layout.settings_file).s3_endpoint_url or ""
    with contextlib.closing(s3_client(endpoint, keys)) as s3:
        s3.put_object(Bucket="archive", Key="kept", Body=b"film")
    down(layout)
    assert made.left() == []

    up(layout, settings, tell=print)
    assert read_credentials(layout.credentials_file, "admin") == keys
    endpoint = load_settings(layout.settings_file).s3_endpoint_url or ""
    with contextlib.closing(s3_client(endpoint, keys)) as s3:
        assert s3.get_object(Bucket="archive", Key="kept")["Body"].read() == b"film"


@pytest.mark.slow
def test_a_killed_supervisor_takes_its_servers_with_it_and_up_starts_anew(
    layout: Layout, small_releases: Path
) -> None:
    settings = Settings(releases_dir=small_releases)
    up(layout, settings, tell=print)
    made = footprint(layout.root)
    supervisor(layout.root).kill()
    assert until(lambda: all(row.state == "failed" for row in status(layout)), 5)
    assert all("its supervisor was killed" in row.proof for row in status(layout))
    up(layout, settings, tell=print)
    assert made.left() == []
    assert all(row.state == "running" for row in status(layout))


def test_when_one_service_can_not_start_nothing_stays_up(
    layout: Layout, small_releases: Path
) -> None:
    (layout.postgres / "data").mkdir(parents=True)  # a cluster without its files
    with pytest.raises(ServiceError, match=r"postgresql did not start.*log: .*/postgres/log"):
        up(layout, Settings(releases_dir=small_releases), tell=print)
    assert {row.state for row in status(layout)} == {"stopped"}
    assert named(layout.root) == []


def test_a_release_that_was_changed_is_refused_before_anything_starts(
    layout: Layout, small_releases: Path, tmp_path: Path
) -> None:
    other = tmp_path / "releases"
    other.mkdir()
    (other / "small").mkdir()
    manifest = (small_releases / "small" / "manifest.json").read_text()
    (other / "small" / "manifest.json").write_text(manifest)
    with pytest.raises(Refused, match="is missing"):
        up(layout, Settings(releases_dir=other), tell=print)
    assert not layout.state.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="nightread-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
def test_an_ordinary_user_can_do_all_of_it(open_folder: Path, small_releases: Path) -> None:
    """The one capability is for the interpreter, which may lie below root's home."""
    if os.geteuid() != 0:
        pytest.skip("environment: every other test here has just shown it")
    if not all(folder.stat().st_mode & 1 for folder in Path(sys.prefix).parents):
        pytest.skip("environment: this checkout lies in a folder that is closed to other users")
    releases, home = open_folder / "releases", open_folder / "home"
    shutil.copytree(small_releases, releases)
    releases.chmod(0o755)
    home.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    capability = "-all,+dac_read_search"

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"),
                *("--clear-groups", f"--inh-caps={capability}", f"--ambient-caps={capability}"),
                *(sys.executable, "-c", "from nightread.cli.stack import app; app()"),
                *(command, "--json", "--dir", str(home / "stack")),
            ],
            env={"PATH": os.defpath, "NIGHTREAD_RELEASES_DIR": str(releases)},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

    try:
        started = run("up")
        assert started.returncode == 0, started.stderr
        made = footprint(home / "stack")
        assert {process.username() for process in made.processes} == {"nobody"}
        assert run("status").returncode == 0
    finally:
        stopped = run("down")
    assert stopped.returncode == 0, stopped.stderr
    assert made.left() == []


@pytest.mark.slow
def test_an_interrupted_up_leaves_nothing(tmp_path: Path, small_releases: Path) -> None:
    folder = tmp_path / "stack"
    code = "from nightread.cli.stack import app; app()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "up", "--dir", str(folder)],
        env={**os.environ, "NIGHTREAD_RELEASES_DIR": str(small_releases)},
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr is not None
        assert "s)" in command.stderr.readline()  # the first service is up: it is half-way
        made = footprint(folder)
        command.send_signal(signal.SIGINT)
        command.stderr.read()
    assert command.returncode != 0
    assert made.left() == []
