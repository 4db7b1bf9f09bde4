"""What runs, proven anew at each question."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from nightread.shapes import ServiceStatus
from nightread.stack import state
from nightread.stack.layout import Layout
from nightread.stack.process import alive, identify
from nightread.stack.proofs import NOT_PROVEN, PROOFS, sentence
from nightread.stack.state import SERVICES, ServiceState, StackState


def _fault(told: ServiceState, stack: StackState) -> str | None:
    """What is wrong with a server that should run, before it is asked anything."""
    if told.condition == "failed":
        return told.ended
    if told.condition == "restarting" and alive(stack.supervisor):
        return f"{told.ended}; it is being started again"
    if not alive(stack.supervisor):
        return "its supervisor was killed, and took it down"
    if told.process is None:
        return "it has not started yet"
    if (there := identify(told.process.pid)) is None:
        return f"process {told.process.pid} is gone"
    if there != told.process:
        return f"process {told.process.pid} is another one: its start time differs"
    return None


def _history(told: ServiceState) -> str:
    if not told.restarts:
        return ""
    return f" (restarts: {told.restarts}, the last because {told.ended})"


def _row(told: ServiceState, stack: StackState, layout: Layout) -> ServiceStatus:
    pid = told.process.pid if told.process else None
    if stack.stopped:
        return ServiceStatus(service=told.service, state="stopped", url=None, pid=None, proof="")
    fault = _fault(told, stack)
    if fault is None:
        try:
            proof = PROOFS[told.service](told, layout) + _history(told)
            return ServiceStatus(
                service=told.service, state="running", url=told.url, pid=pid, proof=proof
            )
        except NOT_PROVEN as error:
            fault = f"process {pid} is alive, but its proof failed: {sentence(error)}"
    return ServiceStatus(
        service=told.service, state="failed", url=told.url or None, pid=pid, proof=fault
    )


def status(layout: Layout) -> list[ServiceStatus]:
    """One row a service; proofs run side by side, each within its own time limit."""
    stack = state.read(layout.state)
    if stack is None:
        return [
            ServiceStatus(service=name, state="stopped", url=None, pid=None, proof="")
            for name in SERVICES
        ]

    def rows() -> Iterator[ServiceStatus]:
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            services = [stack.services[name] for name in SERVICES]
            yield from pool.map(lambda told: _row(told, stack, layout), services)

    return list(rows())
