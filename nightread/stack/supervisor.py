"""The parent of the three servers: starts them, notices their end, stops them.

    python -m nightread.stack.supervisor FOLDER

It stays after `nightread stack up` has returned, until SIGTERM. A Triton that served and ended, or
lost a model instance, is started again at the same address. When the supervisor is killed, the
kernel sends each server its stop signal. It has one thread, since that signal is bound to the
thread that started a server, and it imports no client library: others prove what it started.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nightread.errors import NightreadError
from nightread.stack import postgres, seaweedfs, state, triton
from nightread.stack.child import Child
from nightread.stack.layout import Layout
from nightread.stack.plan import Plan
from nightread.stack.process import (
    Identity,
    Launch,
    end_group,
    finish,
    identify,
    port_was_taken,
    start,
)
from nightread.stack.repairs import Repairs
from nightread.stack.state import ServiceState, StackState
from nightread.stack.sweep import sweep
from nightread.stack.triton_env import StubEnv

TRIES = 3  # ports are drawn, not reserved: a taken one means drawing again
BEAT = 0.1  # seconds between two looks at the servers
BINDING = 30.0  # seconds after its start in which a server can still find its port taken

Recipe = Callable[[], Launch]  # draws new ports each time


class Supervisor:
    """Keeps the servers, and the state file in step with them."""

    def __init__(self, layout: Layout, recipes: Mapping[str, Recipe]) -> None:
        me = identify(os.getpid()) or Identity(os.getpid(), 0)
        self.layout, self.recipes = layout, recipes
        self.children: dict[str, Child] = {}
        self.repairs = {name: Repairs() for name in recipes}
        self.due: dict[str, tuple[Launch, float]] = {}  # what is to be started again, and when
        self.state = StackState(me, services={name: ServiceState(name) for name in recipes})
        self.stopping = False  # a flag, not an Event: a signal handler may not take its lock

    def tell_to_stop(self) -> None:
        self.stopping = True

    def run(self) -> None:
        """Start everything, watch until told to stop, stop everything."""
        self.save()
        try:
            for name in self.recipes:
                if not self.stopping:
                    self.start(name, tries=1)
            while not self.stopping:
                time.sleep(BEAT)
                self.look()
        finally:
            self.stop()

    def save(self) -> None:
        state.write(self.layout.state, self.state)

    def start(self, name: str, tries: int) -> None:
        told = self.state.services[name]
        try:
            launch = self.recipes[name]()
        except NightreadError as error:
            told.condition, told.ended = "failed", str(error)
            self.save()
            return
        self.begin(name, launch, tries)

    def begin(self, name: str, launch: Launch, tries: int = 1, *, again: bool = False) -> None:
        told = self.state.services[name]
        before = triton.environment_folders() if name == triton.SERVICE else set()
        server = start(launch)
        self.children[name] = Child(launch, server, tries, folders_before=before, again=again)
        told.condition = "restarting" if again else "running"
        told.url, told.log = launch.url, str(launch.log)
        told.process, told.identity = identify(server.pid), launch.identity
        told.stop, told.grace = int(launch.stop), launch.grace
        told.leftovers += [name for name in launch.leftovers if name not in told.leftovers]
        self.save()

    def look(self) -> None:
        """One round: who has ended or is broken, and what Triton has made outside our folder."""
        for name, child in list(self.children.items()):
            if name == triton.SERVICE and not child.folders_known:
                self.note_folders(child)
            fault = child.fault()
            if fault is None:
                self.note_return(name, child)
                continue
            del self.children[name]
            end_group(child.server.pid)  # Triton's stubs do not always notice its death
            child.server.wait()
            early = time.monotonic() - child.begun < BINDING and not child.again
            if early and child.tries < TRIES and port_was_taken(child.launch):
                self.start(name, child.tries + 1)
            else:
                self.repair(name, child, fault)
        for name, (launch, when) in list(self.due.items()):
            if time.monotonic() >= when:
                del self.due[name]
                self.begin(name, launch, again=True)

    def note_return(self, name: str, child: Child) -> None:
        told = self.state.services[name]
        if told.condition == "restarting" and child.complete:
            told.condition = "running"
            self.save()

    def repair(self, name: str, child: Child, fault: str) -> None:
        """Start it again at the same address, after a pause; or give it up."""
        told = self.state.services[name]
        told.ended = fault
        served = child.launch.children is not None and (child.complete or child.again)
        pause = self.repairs[name].pause(time.monotonic()) if served else None
        if pause is None:
            told.condition = "failed"
        else:
            told.condition, told.restarts = "restarting", told.restarts + 1
            sweep(told.leftovers)
            child.launch.log.replace(child.launch.log.with_name("log.before"))
            self.due[name] = child.launch, time.monotonic() + pause
        self.save()

    def note_folders(self, child: Child) -> None:
        """Folders that came between Triton's start and its first stub are its own."""
        child.folders_known = triton.count_stubs(child.server.pid) > 0
        new = triton.environment_folders() - child.folders_before
        told = self.state.services[triton.SERVICE]
        if new - set(told.leftovers):
            told.leftovers += sorted(new - set(told.leftovers))
            self.save()

    def stop(self) -> None:
        finish([(child.launch, child.server) for child in self.children.values()])
        postgres.release_memory(self.layout.postgres)
        for told in self.state.services.values():
            sweep(told.leftovers)
            if told.condition != "failed":
                told.condition = "stopped"
        self.state.stopped = True
        self.save()


def recipes(layout: Layout) -> dict[str, Recipe]:
    """How each server is started, the slowest to come up first."""
    plan = Plan.read(layout.plan)

    def start_triton() -> Launch:
        # `models` is the release's model repository; the manifest was checked by `up`.
        env, models = StubEnv(plan.triton_env), plan.release / "models"
        return triton.launch(layout.triton, models, env, plan.backends, plan.libpython)

    return {
        seaweedfs.SERVICE: lambda: seaweedfs.launch(layout.seaweedfs, layout.credentials_file),
        triton.SERVICE: start_triton,
        postgres.SERVICE: lambda: postgres.launch(layout.postgres, layout.passfile),
    }


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    os.chdir(layout.root)  # the caller's folder may go
    supervisor = Supervisor(layout, recipes(layout))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.tell_to_stop())
    supervisor.run()


if __name__ == "__main__":
    main()
