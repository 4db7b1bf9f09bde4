"""What a stack has made outside its folder, seen without the stack's own records."""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

import psutil


class Footprint(NamedTuple):
    """Everything that must be gone after `down`."""

    processes: frozenset[psutil.Process]
    names: frozenset[str]  # sockets, shared-memory files, temporary folders
    segment: tuple[int, int] | None  # PostgreSQL's System V key and id

    def left(self) -> list[str]:
        found = [str(process) for process in self.processes if _runs(process)]
        found += [name for name in self.names if Path(name).exists()]
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        segments = {(int(row.split()[0]) & 0xFFFFFFFF, int(row.split()[1])) for row in rows}
        return found + [f"segment {self.segment}" for _ in [0] if self.segment in segments]


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def named(root: Path) -> list[psutil.Process]:
    """Processes whose command line names the stack's folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(root) in " ".join(process.info["cmdline"] or ())
    ]


def supervisor(root: Path) -> psutil.Process:
    """Raises ValueError when there is not exactly one."""
    (found,) = [
        process
        for process in named(root)
        if "nightread.stack.supervisor" in " ".join(process.cmdline())
    ]
    return found


def footprint(root: Path) -> Footprint:
    """Of a stack that runs: by its processes' command lines and memory maps."""
    top = supervisor(root)
    processes = [top, *top.children(recursive=True)]
    names: set[str] = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            line = " ".join(process.cmdline())
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            for port in re.findall(r"port\.grpc=(\d+)", line):
                names |= {str(path) for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock")}
            names |= set(re.findall(r"(/dev/shm/\S+)", maps))
    began = top.create_time()
    names |= {
        str(path)
        for path in Path("/tmp").glob("python_env_*")
        if began - 1 < path.stat().st_mtime < began + 5
    }
    return Footprint(frozenset(processes), frozenset(names), _segment(root))


def _segment(root: Path) -> tuple[int, int] | None:
    try:
        lines = (root / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
        key, segment = (int(word) for word in lines[6].split())
    except (FileNotFoundError, IndexError):  # not started yet
        return None
    return key & 0xFFFFFFFF, segment
