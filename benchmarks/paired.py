"""Two ways of doing one thing, measured fairly, and the rows that a benchmark prints."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from ray_jobs.cluster import WORKER_SETTINGS


class Paired(NamedTuple):
    """CPU seconds, medians over rounds."""

    ours: float
    peer: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark; a ratio above 1 means that we are better, or inside a bound."""

    case: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float | None  # the least ratio to reach; None: shown, not judged
    peer_is: str


def cpu_seconds(work: Callable[[], Any]) -> float:
    """User and system time of the whole process, threads included, during `work`."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def paired(ours: Callable[[], Any], peer: Callable[[], Any], rounds: int) -> Paired:
    """Interleaved, after one round to warm up: a busy machine slows both."""
    seconds = [(cpu_seconds(ours), cpu_seconds(peer)) for _ in range(rounds + 1)][1:]
    return Paired(median(a for a, _ in seconds), median(b for _, b in seconds))


def as_a_worker() -> None:
    """Start this program again under the settings of the job's workers, unless it has them.

    glibc reads its own when a process starts.
    """
    if any(os.environ.get(name) != value for name, value in WORKER_SETTINGS.items()):
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, os.environ | WORKER_SETTINGS)  # noqa: S606 -- itself


def parser(description: str) -> argparse.ArgumentParser:
    """What every benchmark takes: `quick` and `json`."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="within 50 s on two cores")
    made.add_argument("--json", action="store_true", help="one JSON list")
    return made


def show(title: str, rows: list[Row], *, as_json: bool) -> None:
    """Print rows for people, or as JSON."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    table = Table(title=title, caption=f"load average {os.getloadavg()[0]:.1f}")
    for column in ("case", "ours", "peer", "unit", "ratio", "goal", "the peer is"):
        table.add_column(column, justify="left" if column in ("case", "the peer is") else "right")
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}"
        met = row.goal is None or row.ratio >= row.goal
        ratio = f"{row.ratio:.2f}" if met else f"[red]{row.ratio:.2f}[/red]"
        table.add_row(
            row.case, f"{row.ours:.4g}", f"{row.peer:.4g}", row.unit, ratio, goal, row.peer_is
        )
    Console(width=None if os.isatty(1) else 160).print(table)
