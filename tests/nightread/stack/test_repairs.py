"""A server is started again a bounded number of times, with pauses that grow."""

import dataclasses
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightread.stack import child as module
from nightread.stack.layout import Layout
from nightread.stack.process import Launch, base_env
from nightread.stack.repairs import PAUSES, SOUND, Repairs
from nightread.stack.supervisor import Supervisor
from nightread.stack.wait import until

# A server with one process of its own, which ends when it does.
SERVER = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(99)'])"
)


def test_after_so_many_faults_in_a_row_it_is_a_persons_turn() -> None:
    repairs = Repairs()
    assert [repairs.pause(float(n)) for n in range(1, 7)] == [*PAUSES, None]


def test_a_sound_time_begins_the_row_anew() -> None:
    repairs = Repairs()
    for now in range(4):
        repairs.pause(float(now))
    assert repairs.pause(3 + SOUND + 1) == PAUSES[0]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Launch(
            service="triton",
            url=f"127.0.0.1:{listening.getsockname()[1]}",
            argv=(sys.executable, "-c", SERVER),
            env=base_env(),
            folder=tmp_path,
            log=tmp_path / "log",
            stop=signal.SIGTERM,
            grace=1.0,
            children=1,
        )


def test_a_server_that_dies_again_and_again_is_given_up(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNT_EVERY", 0.0)
    supervisor = Supervisor(Layout(launch.folder), {"triton": lambda: launch})
    supervisor.start("triton", tries=1)
    told = supervisor.state.services["triton"]

    def condition(wanted: str) -> bool:
        supervisor.look()
        supervisor.due = {name: (one, 0.0) for name, (one, _) in supervisor.due.items()}
        return told.condition == wanted

    try:
        assert until(lambda: condition("running") and supervisor.children["triton"].complete, 10)
        for number in range(1, len(PAUSES) + 1):
            os.kill(supervisor.children["triton"].server.pid, signal.SIGKILL)
            assert until(lambda: condition("restarting"), 10)
            assert until(lambda: condition("running"), 10)
            assert told.restarts == number
        os.kill(supervisor.children["triton"].server.pid, signal.SIGKILL)
        assert until(lambda: condition("failed"), 10)
        assert "exit code -9" in told.ended
    finally:
        supervisor.stop()


def test_a_server_that_never_came_up_is_not_tried_again(launch: Launch) -> None:
    never = dataclasses.replace(
        launch, argv=(sys.executable, "-c", "print('no'); raise SystemExit(1)")
    )
    supervisor = Supervisor(Layout(launch.folder), {"triton": lambda: never})
    supervisor.start("triton", tries=1)
    told = supervisor.state.services["triton"]
    assert until(lambda: supervisor.look() or told.condition == "failed", 10)
    assert told.restarts == 0
    assert told.ended == "it ended with exit code 1: no"
    supervisor.stop()
