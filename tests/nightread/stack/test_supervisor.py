"""The parent of the servers, without the rest of the stack."""

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightread.stack import postgres, state
from nightread.stack.layout import Layout
from nightread.stack.process import Launch
from nightread.stack.supervisor import TRIES, Supervisor
from nightread.stack.wait import until


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    postgres.make_logins(Layout(tmp_path).passfile)
    return Layout(tmp_path)


def on_port(launch: Launch, port: int) -> Launch:
    argv = tuple(f"port={port}" if word.startswith("port=") else word for word in launch.argv)
    return dataclasses.replace(launch, argv=argv)


def watched(supervisor: Supervisor, layout: Layout, condition: str) -> state.ServiceState:
    """Let the supervisor look until its state file says that."""

    def reached() -> bool:
        supervisor.look()
        found = state.read(layout.state)
        return found is not None and found.services["postgresql"].condition == condition

    assert until(reached, 20)
    found = state.read(layout.state)
    assert found is not None
    return found.services["postgresql"]


def test_a_taken_port_is_drawn_again(layout: Layout, taken: int) -> None:
    drawn: list[Launch] = []

    def recipe() -> Launch:
        launch = postgres.launch(layout.postgres, layout.passfile, throw_away=True)
        drawn.append(launch if drawn else on_port(launch, taken))
        return drawn[-1]

    supervisor = Supervisor(layout, {"postgresql": recipe})
    supervisor.start("postgresql", tries=1)
    try:
        assert until(lambda: supervisor.look() or len(drawn) == 2, 20)
        told = watched(supervisor, layout, "running")
        assert told.url == drawn[1].url
    finally:
        supervisor.stop()
    assert told.process is not None


def test_ports_that_stay_taken_end_in_failure_with_the_logs_last_line(
    layout: Layout, taken: int
) -> None:
    drawn: list[Launch] = []

    def recipe() -> Launch:
        plan = postgres.launch(layout.postgres, layout.passfile, throw_away=True)
        drawn.append(on_port(plan, taken))
        return drawn[-1]

    supervisor = Supervisor(layout, {"postgresql": recipe})
    supervisor.start("postgresql", tries=1)
    told = watched(supervisor, layout, "failed")
    supervisor.stop()
    assert len(drawn) == TRIES
    assert "exit code 1" in told.ended
    assert "could not create any TCP/IP sockets" in told.ended
