"""A compressed tar is read once; killed half-way, or read by another release, once more."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.proxy import watching
from nightread.stack.layout import Layout
from tests.calls import NIGHTREAD, adds_up, phantom_files
from tests.ray_jobs.packing import packed
from triton_repo.release import MANIFEST

MOST = 1.2  # times its size, headers and pixels together


@pytest.mark.timeout(170)
def test_a_compressed_tar_is_screened_in_one_reading(nightread, put, stack) -> None:
    body = packed("gzip", list(phantom_files(3, seed=51).items()))
    prefix = put("once", {"night.tar.gz": body})
    with watching(stack.settings.s3_endpoint_url) as (endpoint, traffic):
        called = nightread("screen", prefix, "--json", NIGHTREAD_S3_ENDPOINT_URL=endpoint)
    assert called.code == 0, called.err
    adds_up(called.json)
    assert called.json["studies"]["scored"] == 3
    assert traffic.gets() > 0
    assert len(body) <= traffic.bytes <= MOST * len(body)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_after_kill_9_and_for_another_release_it_is_read_once_more(
    nightread, put, stack, tmp_path: Path
) -> None:
    body = packed("zstd", list(phantom_files(8, seed=52).items()))
    prefix = put("again", {"night.tar.zst": body})
    job = subprocess.Popen(
        [NIGHTREAD, "screen", prefix, "--config", Layout(stack.folder).settings_file],
        env={k: v for k, v in os.environ.items() if not k.startswith("NIGHTREAD_")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    time.sleep(12)
    assert job.poll() is None, "the job ended before it could be killed"
    job.send_signal(signal.SIGKILL)
    job.wait()
    again = nightread("screen", prefix, "--json")
    assert again.code == 0, again.err
    adds_up(again.json)
    assert again.json["studies"]["scored"] == 8

    settings = stack.settings
    other = tmp_path / "releases" / "other"
    shutil.copytree(settings.releases_dir / settings.release, other)
    manifest = json.loads((other / MANIFEST).read_text())
    (other / MANIFEST).write_text(json.dumps(manifest | {"name": "other"}))
    with watching(settings.s3_endpoint_url) as (endpoint, traffic):
        called = nightread(
            "screen",
            prefix,
            "--release",
            "other",
            "--json",
            NIGHTREAD_RELEASES_DIR=str(other.parent),
            NIGHTREAD_S3_ENDPOINT_URL=endpoint,
        )
    assert called.code == 0, called.err
    assert called.json["studies"]["scored"] == 8
    assert traffic.bytes <= MOST * len(body)
