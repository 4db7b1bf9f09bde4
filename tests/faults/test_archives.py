"""A compressed tar is read once; killed half-way, or read by another release, once more."""

import gzip
import io
import itertools
import json
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from benchmarks.proxy import watching
from nightread.settings import Settings, load_settings
from nightread.stack import seaweedfs
from nightread.stack.down import down
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from nightread.stack.up import up
from tests.calls import BUCKET, NIGHTREAD, adds_up, call, environment, phantom_files
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
    body = packed("zstd", list(phantom_files(8, seed=58).items()))
    prefix = put("again", {"night.tar.zst": body})
    job = subprocess.Popen(
        [NIGHTREAD, "screen", prefix, "--config", Layout(stack.folder).settings_file],
        env=environment(),
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


def studies_of_one_image(number: int) -> Iterator[tuple[str, bytes]]:
    """Files of `number` studies: four pictures in turn, each time under UIDs of its own."""
    pictures = [pydicom.dcmread(io.BytesIO(data)) for data in phantom_files(1, seed=53).values()]
    for n, picture in zip(range(number), itertools.cycle(pictures), strict=False):
        picture.StudyInstanceUID, picture.SeriesInstanceUID = f"2.25.1.{n}", f"2.25.2.{n}"
        picture.SOPInstanceUID = picture.file_meta.MediaStorageSOPInstanceUID = f"2.25.3.{n}"
        picture.PatientID = f"P{n}"
        written = io.BytesIO()
        picture.save_as(written)
        yield f"{n:04d}.dcm", written.getvalue()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tar_gz_of_a_thousand_studies_is_screened_in_one_reading(
    small_releases: Path, tmp_path: Path
) -> None:
    studies = 1000
    night = tmp_path / "night.tar.gz"
    with (
        gzip.open(night, "wb", compresslevel=1) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        for name, data in studies_of_one_image(studies):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    layout = Layout(tmp_path / "stack")
    try:
        up(layout, Settings(releases_dir=small_releases), tell=print)
        endpoint = load_settings(layout.settings_file, environment=False).s3_endpoint_url
        assert endpoint is not None
        admin = seaweedfs.read_credentials(layout.credentials_file, seaweedfs.ADMIN)
        s3_client(endpoint, admin).upload_file(str(night), BUCKET, "thousand/night.tar.gz")
        with watching(endpoint) as (seen, traffic):
            called = call(
                "screen", f"s3://{BUCKET}/thousand/", "--json", "--quiet",
                "--config", str(layout.settings_file),
                cwd=tmp_path, NIGHTREAD_S3_ENDPOINT_URL=seen,
            )  # fmt: skip
        assert called.code == 0, called.err
        adds_up(called.json)
        assert called.json["studies"]["scored"] == studies
        size = night.stat().st_size
        assert size <= traffic.bytes <= MOST * size
    finally:
        down(layout)
