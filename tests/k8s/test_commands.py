"""Command lines that are written in the manifests do what they are there for."""

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import OperationalError
from sqlalchemy import make_url
from typer.testing import CliRunner

from nightread.cli.app import app

Manifest = dict[str, Any]


def moved(line: list[str], folder: Path) -> list[str]:
    """A command line with its absolute paths below `folder`."""
    return [f"{folder}{word}" if word.startswith("/") else word for word in line]


def complaint(line: list[str]) -> str | None:
    """What `nightread` says against a call, None when it understands it. Nothing is run."""
    # Names of commands and options are judged before `--help` is obeyed.
    answer = CliRunner().invoke(app, [*line[1:], "--help"])
    return answer.output if answer.exit_code else None


def test_nightread_understands_every_call(commands: dict[str, list[str]]) -> None:
    calls = {name: line for name, line in commands.items() if line[0] == "nightread"}
    assert calls.keys() == {
        "RayJob/entrypoint",
        "Job/nightread-migrate-0-1-0/migrate",
        "CronJob/nightread-retention/retention",
    }
    assert {name: complaint(line) for name, line in calls.items()} == dict.fromkeys(calls)


@pytest.mark.parametrize(
    "line", ["nightread screen s3://mammography/ --ray auto", "nightread db upgrad"]
)
def test_a_call_that_nightread_does_not_know_would_be_noticed(line: str) -> None:
    assert "No such" in (complaint(line.split()) or "")


def test_the_release_lands_where_triton_looks(
    commands: dict[str, list[str]], config_maps: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    release = config_maps["nightread-settings"]["NIGHTREAD_RELEASE"]
    releases = config_maps["nightread-settings"]["NIGHTREAD_RELEASES_DIR"]
    models = Path(f"{tmp_path}{releases}", release, "models")
    (models / "screening" / "1").mkdir(parents=True)
    (models / "screening" / "config.pbtxt").touch()
    (tmp_path / "release").mkdir()
    line = moved(commands["Deployment/triton/release"], tmp_path)
    # Kubernetes puts the variable's value in.
    subprocess.run(
        [word.replace("$(NIGHTREAD_RELEASE)", release) for word in line], check=True, timeout=10
    )
    (repository,) = (
        word.partition("=")[2]
        for word in commands["Deployment/triton/triton"]
        if word.startswith("--model-repository=")
    )
    assert Path(f"{tmp_path}{repository}", "screening", "config.pbtxt").exists()


@pytest.mark.parametrize(
    ("init", "config_map", "variable"),
    [
        ("RayJob/head/passfile", "nightread-settings", "NIGHTREAD_DATABASE_URL"),
        (
            "Job/nightread-migrate-0-1-0/passfile",
            "nightread-migration",
            "NIGHTREAD_MIGRATION_DATABASE_URL",
        ),
        (
            "CronJob/nightread-retention/passfile",
            "nightread-retention",
            "NIGHTREAD_ERASURE_DATABASE_URL",
        ),
    ],
)
def test_libpq_takes_the_password_file_that_the_init_container_copies(
    init: str,
    config_map: str,
    variable: str,
    commands: dict[str, list[str]],
    config_maps: dict[str, dict[str, str]],
    postgres_url: str,
    tmp_path: Path,
) -> None:
    """And not the Secret's own file, which kubelet makes readable by the pod's group."""
    server = make_url(postgres_url)
    line = moved(commands[init], tmp_path)
    secret, copy = map(Path, line[-2:])
    secret.parent.mkdir(parents=True)
    copy.parent.mkdir(parents=True)
    shutil.copy(server.query["passfile"], secret)
    secret.chmod(0o440)
    subprocess.run(line, check=True, timeout=10)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert str(copy) == f"{tmp_path}{make_url(config_maps[config_map][variable]).query['passfile']}"

    def log_in(passfile: Path) -> None:
        psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.username,
            dbname=server.database,
            passfile=str(passfile),
        ).close()

    with pytest.raises(OperationalError, match="no password supplied"):
        log_in(secret)
    log_in(copy)
