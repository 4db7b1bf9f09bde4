"""A service that is not there is one clear line and exit code 3; a later run completes."""

import socket
from pathlib import Path

import pytest

from benchmarks.proxy import watching
from db.lock import run_lock
from db.runs import Prefix
from db.session import connect
from tests.calls import BUCKET, adds_up, phantom_files
from triton_repo.release import load

pytestmark = pytest.mark.timeout(170)


@pytest.fixture(scope="module")
def prefix(put) -> str:
    return put("faults", phantom_files(1, seed=21))


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def is_one_line_about(called, code: int, *words: str) -> None:
    assert called.code == code, called.err
    assert called.out == ""
    assert len(called.err.strip().splitlines()) == 1, called.err
    for word in words:
        assert word in called.err


def test_a_wrong_s3_secret(nightread, prefix, stack, tmp_path: Path) -> None:
    right = stack.settings.s3_credentials_file.read_text()
    wrong = tmp_path / "credentials"
    wrong.write_text(right.replace("aws_secret_access_key = ", "aws_secret_access_key = x"))
    called = nightread("screen", prefix, NIGHTREAD_S3_CREDENTIALS_FILE=str(wrong))
    is_one_line_about(called, 3, "S3", "refused", "SignatureDoesNotMatch", str(wrong))


def test_a_missing_bucket(nightread) -> None:
    called = nightread("screen", "s3://no-such-bucket/2026/")
    is_one_line_about(called, 3, "no-such-bucket", "check")


def test_s3_down(nightread, prefix, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    called = nightread("screen", prefix, NIGHTREAD_S3_ENDPOINT_URL=url)
    is_one_line_about(called, 3, "S3", url, "NIGHTREAD_S3_ENDPOINT_URL")


def test_postgres_down(nightread, prefix, stack, closed_port: int) -> None:
    url = stack.settings.database_url.replace("@127.0.0.1:", f"@127.0.0.1:{closed_port}#")
    url = url.split("#")[0] + "/" + url.split("/", 3)[3]
    called = nightread("screen", prefix, NIGHTREAD_DATABASE_URL=url)
    is_one_line_about(called, 3, "PostgreSQL", str(closed_port), "NIGHTREAD_DATABASE_URL")


def test_ray_down(nightread, put, closed_port: int) -> None:
    unread = put("ray-down", {"notes.txt": b"nothing"})
    called = nightread("screen", unread, "--ray-address", f"127.0.0.1:{closed_port}")
    is_one_line_about(called, 3, "Ray", str(closed_port), "NIGHTREAD_RAY_ADDRESS")


def test_a_study_that_no_node_has_memory_for_does_not_wait_for_ever(nightread, put) -> None:
    unread = put("memory", {"notes.txt": b"nothing"})
    called = nightread("screen", unread, NIGHTREAD_STUDY_MEMORY_MB="99000000")
    is_one_line_about(called, 3, "Ray has", "NIGHTREAD_STUDY_MEMORY_MB")


def test_triton_down_and_then_there_again(nightread, prefix, closed_port: int) -> None:
    called = nightread("screen", prefix, NIGHTREAD_TRITON_URL=f"127.0.0.1:{closed_port}")
    is_one_line_about(called, 3, "Triton", str(closed_port), "NIGHTREAD_TRITON_URL")
    assert nightread("status", "--json").json["state"] == "interrupted"
    later = nightread("screen", prefix, "--json")
    assert later.code == 0, later.err
    assert later.json["studies"]["scored"] == 1


def test_studies_that_could_not_be_read_are_exit_code_4_and_tried_again(
    nightread, put, stack
) -> None:
    prefix = put("cut", phantom_files(1, seed=22))
    # Headers get through, whole images never do.
    with watching(stack.settings.s3_endpoint_url, cut_at=150_000, cuts=10_000) as (endpoint, _):
        called = nightread("screen", prefix, "--json", NIGHTREAD_S3_ENDPOINT_URL=endpoint)
    assert called.code == 4
    assert "READ_FAILED 1" in called.err
    assert called.json["not_scored_reasons"] == {"READ_FAILED": 1}
    adds_up(called.json)
    later = nightread("screen", prefix, "--json")
    assert later.code == 0, later.err
    assert later.json["studies"]["scored"] == 1


def test_a_run_that_finds_the_prefix_taken_says_by_whom(nightread, prefix, stack) -> None:
    settings = stack.settings
    engine = connect(settings.database_url)
    digest = load(settings.releases_dir / settings.release).digest
    with run_lock(engine, Prefix(BUCKET, "faults/"), digest):
        is_one_line_about(nightread("screen", prefix), 6, "Another run holds")
    engine.dispose()


def test_wrong_usage_is_one_line_and_exit_code_2(nightread) -> None:
    is_one_line_about(nightread("screen", "archive/2026"), 2, "s3://BUCKET/PREFIX")


def test_a_missing_setting_names_its_variable(nightread, prefix) -> None:
    called = nightread("screen", prefix, NIGHTREAD_WINDOW="many")
    is_one_line_about(called, 2, "NIGHTREAD_WINDOW", "for example")


def test_a_tampered_release_is_refused_by_file(nightread, prefix, stack, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    settings = stack.settings
    copy = tmp_path / settings.release
    shutil.copytree(settings.releases_dir / settings.release, copy)
    (copy / "models/detector/1/model.onnx").write_bytes(b"not the released graph")
    called = nightread("screen", prefix, NIGHTREAD_RELEASES_DIR=str(tmp_path))
    is_one_line_about(called, 5, "models/detector/1/model.onnx")
