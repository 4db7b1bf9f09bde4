"""The command line as a person calls it, and archives in the real S3: fixtures for journeys and faults."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mammo import phantoms
from nightread.stack import seaweedfs
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client

NIGHTREAD = Path(sys.executable).parent / "nightread"
BUCKET = seaweedfs.ARCHIVE


@dataclass(frozen=True)
class Called:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**settings: str) -> dict[str, str]:
    """That of a command: nothing of nightread's or AWS's but `settings`."""
    ours = ("NIGHTREAD_", "AWS_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | settings


def call(*arguments: str, cwd: Path, timeout: float | None = None, **settings: str) -> Called:
    """`nightread ARGUMENTS` as it ends."""
    ended = subprocess.run(
        [NIGHTREAD, *arguments],
        capture_output=True,
        text=True,
        env=environment(**settings),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Called(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="session")
def nightread(stack, tmp_path_factory) -> Callable[..., Called]:  # type: ignore[no-untyped-def]
    """`nightread ARGUMENTS` with the stack's settings, or others."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    config = str(Layout(stack.folder).settings_file)

    def called(*arguments: str, **settings: str) -> Called:
        return call(*arguments, "--config", config, cwd=elsewhere, timeout=170, **settings)

    return called


@pytest.fixture(scope="session")
def put(stack) -> Callable[[str, Mapping[str, bytes]], str]:  # type: ignore[no-untyped-def]
    """Puts files under a prefix of the archive; returns its s3:// URL."""
    credentials = seaweedfs.read_credentials(Layout(stack.folder).credentials_file, seaweedfs.ADMIN)
    client = s3_client(stack.settings.s3_endpoint_url, credentials)

    def upload(prefix: str, files: Mapping[str, bytes]) -> str:
        for name, body in files.items():
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=body)
        return f"s3://{BUCKET}/{prefix}/"

    return upload


def phantom_files(studies: int, seed: int) -> dict[str, bytes]:
    """DICOM files of `studies` phantoms at working size, by name: cheap, and screened alike."""
    return {
        f"{plan.index:03d}/{image.laterality}{image.projection}.dcm": phantoms.encode(image)
        for plan in phantoms.plan(studies, seed)
        for image in phantoms.render(plan, phantoms.Resolution.WORKING)
    }


def adds_up(document: Mapping[str, Any]) -> None:
    """Guarantee 1, on a run's document."""
    objects, instances, studies = (document[n] for n in ("objects", "instances", "studies"))
    assert objects["listed"] == objects["with_instances"] + objects["without_instance"]
    assert instances["indexed"] == sum(
        instances[verdict] for verdict in ("accepted", "excluded", "quarantined")
    )
    assert sum(document["reasons"].values()) == instances["indexed"] + objects["without_instance"]
    assert studies["known"] == sum(studies[s] for s in ("scored", "not_scored", "pending"))
    assert sum(document["not_scored_reasons"].values()) == studies["not_scored"]
