"""The environment of Triton's python stub, and the backend folder assembled from it.

The stub needs numpy 1, which the project's own environment cannot have: it lives in a second
one, filled from `requirements/triton.txt`.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nightread.errors import ServiceError
from nightread.stack.process import base_env

LIBRARY_MISSING = 127  # the loader's exit code; the stub's own without arguments is 1
SHM = Path("/dev/shm")  # noqa: S108 - the kernel's shared memory, not a temporary file
SHM_NEEDED = (
    256 << 20
)  # bytes: a region a model instance, grown to what it carries, and Ray's store
DOWNLOAD_SECONDS = 60.0
# glibc would return each view's pages to the kernel and fault them in for the next one: that took a
# twentieth of inference (`python -m benchmarks.serving`).
KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "536870912",
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True, slots=True)
class StubEnv:
    """A virtual environment that holds Triton's server and its python stub."""

    root: Path

    @property
    def site(self) -> Path:
        """Its `site-packages`; raises ServiceError when Triton is not in it."""
        for site in self.root.glob("lib/python3*/site-packages"):
            if (site / "pytriton" / "tritonserver" / "bin" / "tritonserver").exists():
                return site
        raise ServiceError(
            f"Triton is not installed in {self.root}: make that environment from "
            "requirements/triton.txt (`make demo` does), or name another in NIGHTREAD_TRITON_ENV."
        )

    @property
    def home(self) -> Path:
        return self.site / "pytriton" / "tritonserver"

    @property
    def version(self) -> str:
        """Its Python, such as 3.11."""
        return self.site.parent.name.removeprefix("python")

    def libdir(self) -> str:
        """Where its interpreter keeps its own libpython, which must win over any other."""
        ask = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
        python = self.root / "bin" / "python"
        done = subprocess.run(
            [python, "-c", ask], capture_output=True, text=True, check=True, env=base_env()
        )
        return done.stdout.strip()

    def variables(self, libpython: str) -> dict[str, str]:
        """The server's environment. The stub finds its own through `python3` on PATH, no other way."""
        return base_env(
            PATH=f"{self.root}/bin:/usr/bin:/bin",
            LD_LIBRARY_PATH=f"{libpython}:{self.site}/nvidia_pytriton.libs",
            **KEPT_MEMORY,
        )


def find(override: Path | None) -> StubEnv:
    """The environment named by NIGHTREAD_TRITON_ENV, or `.venv-triton` beside our own."""
    return StubEnv((override or Path(sys.prefix).parent / ".venv-triton").absolute())


def assemble(env: StubEnv, folder: Path) -> Path:
    """Make Triton's backend folder below `folder`; returns it.

    Copies, not links: the server changes the mode of the stub itself.
    """
    backends = folder / "backends"
    shutil.rmtree(backends, ignore_errors=True)
    target = backends / "python"
    target.mkdir(parents=True)
    stub = f"python_backend_stubs/{env.version}/triton_python_backend_stub"
    libraries = ("libtriton_python.so", "triton_python_backend_utils.py")
    for name in (*(f"backends/python/{library}" for library in libraries), stub):
        shutil.copy(env.home / name, target)
    return backends


def _starts(stub: Path, env: StubEnv, libpython: str) -> bool:
    done = subprocess.run(
        [stub], env=env.variables(libpython), capture_output=True, check=False, timeout=30
    )
    return done.returncode != LIBRARY_MISSING


def _fetch(package: str, folder: Path) -> Path | None:
    """Unpack a Debian package below `folder` without being root; None when it can't be had."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for argv in (["apt-get", "download", package], ["dpkg-deb", "-x"]):
            files = [str(path) for path in folder.glob("*.deb")]
            tail = [*files, str(folder)] if files else []
            subprocess.run(
                [*argv, *tail],
                cwd=folder,
                capture_output=True,
                check=True,
                timeout=DOWNLOAD_SECONDS,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # a proxy may be set there
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return next((path.parent for path in folder.rglob("libpython*.so.1.0")), None)


def libpython(env: StubEnv, backends: Path, folder: Path) -> str:
    """The folder to put first on the loader's path so that the stub finds its libpython.

    Without that library Triton would wait for its stub for ever. Debian's python3.11 does not
    bring it. Raises ServiceError when it is nowhere and can't be fetched.
    """
    stub = backends / "python" / "triton_python_backend_stub"
    own, fetched = env.libdir(), folder / "libpython"
    # With its interpreter's folder first, the loader's own path is what is looked through next.
    if _starts(stub, env, own):
        return own
    kept = next((path.parent for path in fetched.rglob("libpython*.so.1.0")), None)
    found = kept or _fetch(f"libpython{env.version}", fetched)
    if found is not None and _starts(stub, env, str(found)):
        return str(found)
    name = f"libpython{env.version}"
    raise ServiceError(
        f"Triton needs the library {name}.so.1.0, which is not on this machine: "
        f"run `apt-get install {name}` as root."
    )


def check_shared_memory() -> None:
    """Raise ServiceError when /dev/shm has no room for the tensors between Triton's processes."""
    room = os.statvfs(SHM)
    free = room.f_bavail * room.f_frsize
    if free < SHM_NEEDED:
        raise ServiceError(
            f"{SHM} has {free >> 20} MiB free and Triton and Ray need {SHM_NEEDED >> 20}: enlarge "
            f"it (`mount -o remount,size=1G {SHM}`, or `--shm-size=1g` for a container)."
        )
