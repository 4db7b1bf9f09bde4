"""Triton from the package `nvidia-pytriton`: serves one release's ensemble.

Version 2.51; its python backend is the only one that runs without a GPU.
"""

import os
import re
import secrets
import shutil
import signal
from pathlib import Path

import psutil

from nightread.stack.ports import HOST, draw
from nightread.stack.process import Launch
from nightread.stack.triton_env import SHM, StubEnv
from triton_repo.configs import FILES, Profile
from triton_repo.contract import ENSEMBLE

SERVICE = "triton"
EXIT_SECONDS = 5  # for running requests, after SIGTERM
TEMPORARY = Path("/tmp")  # noqa: S108 - hard-coded in Triton's python backend


def launch(
    folder: Path,
    models: Path,
    env: StubEnv,
    backends: Path,
    libpython: str,
    profile: Profile = "cpu",
) -> Launch:
    """How to start the server over its own copy of the model repository `models`."""
    own = _copied(models, folder / "models")
    token = secrets.token_hex(4)
    identity, prefix = f"nightread-{token}", f"nightread_{token}_"
    grpc, metrics = draw(2)
    argv = [
        str(env.home / "bin" / "tritonserver"),
        f"--id={identity}",  # by which a probe knows that no other server answers
        f"--model-repository={own}",
        f"--backend-directory={backends}",
        "--model-control-mode=explicit",
        f"--load-model={ENSEMBLE}",  # and with it the models of its steps, if it has any
        *([] if profile == "cpu" else [f"--model-config-name={profile}"]),
        "--disable-auto-complete-config",
        "--allow-http=false",  # an idle connection would hold up the exit
        *(f"--grpc-address={HOST}", f"--grpc-port={grpc}"),
        *(f"--metrics-address={HOST}", f"--metrics-port={metrics}", "--allow-gpu-metrics=false"),
        f"--exit-timeout-secs={EXIT_SECONDS}",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        "--log-format=ISO8601",
    ]
    return Launch(
        service=SERVICE,
        url=f"{HOST}:{grpc}",
        argv=tuple(argv),
        env=env.variables(libpython),
        folder=folder,
        log=folder / "log",
        stop=signal.SIGTERM,
        grace=EXIT_SECONDS + 3.0,
        leftovers=(f"{SHM}/{prefix}*",),
        identity=identity,
        children=_instances(models, profile),
    )


def _instances(models: Path, profile: Profile) -> int:
    """How many processes serve a repository: one for each instance of a python model."""

    def config(model: Path) -> str:
        own = model / FILES[profile]
        return (own if own.exists() else model / FILES["cpu"]).read_text()

    whole = config(models / ENSEMBLE)
    texts = [whole] if "instance_group" in whole else map(config, models.iterdir())
    return sum(int(n) for text in texts for n in re.findall(r"count: (\d+) kind: KIND_CPU", text))


def _copied(models: Path, to: Path) -> Path:
    """What was checked, and nothing else.

    Python runs byte code that lies beside a model's source and writes its own there, which no
    manifest names.
    """
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(models, to, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def environment_folders() -> set[str]:
    """The folders that the python backends of this user's Tritons hold now.

    Each server makes one when its backend is loaded, and leaves it behind when it is killed.
    """
    found = set()
    for path in TEMPORARY.glob("python_env_*"):
        try:
            if path.stat().st_uid == os.geteuid():
                found.add(str(path))
        except FileNotFoundError:
            continue
    return found


def count_stubs(pid: int) -> int:
    """How many model instances of a server live: each is a child process.

    The server goes on calling a model ready whose instances are dead (measured).
    """
    try:
        children = psutil.Process(pid).children()
        return sum(child.status() != psutil.STATUS_ZOMBIE for child in children)
    except psutil.NoSuchProcess:
        return 0
