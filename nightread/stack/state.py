"""What the supervisor tells the other commands: which processes run, and which have ended."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from nightread.stack.files import write_private
from nightread.stack.process import Identity

SERVICES = ("seaweedfs", "postgresql", "triton")

# `restarting`: it served, ended or lost a process of its own, and has not come up again yet.
Condition = Literal["starting", "running", "restarting", "failed", "stopped"]


@dataclass(slots=True)
class ServiceState:
    """One server, as its parent sees it. `running` means started, not proven."""

    service: str
    condition: Condition = "starting"
    url: str = ""
    log: str = ""
    process: Identity | None = None
    grace: float = 0.0  # seconds that it may take to stop
    stop: int = 15  # its stop signal
    identity: str = ""  # what the server calls itself
    ended: str = ""  # how, when it has: exit code and the log's last line; the last time
    restarts: int = 0
    leftovers: list[str] = field(default_factory=list)  # glob patterns, of earlier tries too


@dataclass(slots=True)
class StackState:
    """The whole stack."""

    supervisor: Identity
    stopped: bool = False  # in good order: nothing of it is left
    services: dict[str, ServiceState] = field(default_factory=dict)


def write(path: Path, state: StackState) -> None:
    write_private(path, json.dumps(asdict(state), indent=1))


def read(path: Path) -> StackState | None:
    """The last state, or None when no stack ever ran here."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    services = {}
    for name, fields in found["services"].items():
        process = Identity(**fields.pop("process")) if fields["process"] else fields.pop("process")
        services[name] = ServiceState(process=process, **fields)
    return StackState(Identity(**found["supervisor"]), found["stopped"], services)
