"""Reading the archive: complete listings, exact ranges, and every failure named."""

import socket
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.proxy import watching
from mammo.codes import Reason
from nightread.stack.proofs import s3_client
from nightread.stack.seaweedfs import ADMIN, ARCHIVE, read_credentials
from ray_jobs.archive.store import BODY_RESUMES, StoreConfig, pages, read
from ray_jobs.faults import ObjectUnreadable, StoreLost
from ray_jobs.records import Listed

BODY = np.random.default_rng(1).bytes(3_000_000)


@pytest.fixture(scope="module")
def config(s3) -> StoreConfig:
    return StoreConfig(s3.endpoint_url, s3.region, None, str(s3.credentials_file))


@pytest.fixture(scope="module")
def admin(s3):
    return s3_client(s3.endpoint_url, read_credentials(s3.credentials_file, ADMIN))


@pytest.fixture
def item(admin, config: StoreConfig) -> Listed:
    admin.put_object(Bucket=ARCHIVE, Key="body/1.dcm", Body=BODY)
    ((found,),) = pages(config, ARCHIVE, "body/")
    return found


def through(config: StoreConfig, endpoint: str) -> StoreConfig:
    return StoreConfig(endpoint, config.region, None, config.credentials_file)


def test_a_listing_is_complete_and_leaves_out_folder_markers(admin, config: StoreConfig) -> None:
    wanted = sorted(["list/a b.dcm", "list/ü/1.dcm", "list/2+2%.dcm", "list/deep/er/x"])
    for key in (*wanted, "list/deep/"):
        admin.put_object(Bucket=ARCHIVE, Key=key, Body=b"" if key.endswith("/") else b"x")
    assert sorted(item.key for page in pages(config, ARCHIVE, "list/") for item in page) == wanted


def test_a_listing_says_when_an_object_was_put_there(item: Listed) -> None:
    assert item.modified is not None
    assert abs((datetime.now(UTC) - item.modified).total_seconds()) < 300


def test_a_listing_of_several_pages_is_complete(admin, config: StoreConfig) -> None:
    for n in range(1100):
        admin.put_object(Bucket=ARCHIVE, Key=f"many/{n:05d}", Body=b"x")
    found = [item.key for page in pages(config, ARCHIVE, "many/") for item in page]
    assert found == [f"many/{n:05d}" for n in range(1100)]


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 100), (999, 2_000_001), (2_999_999, None)]
)
def test_a_range_is_exact(config: StoreConfig, item: Listed, start: int, end: int | None) -> None:
    assert read(config, ARCHIVE, item, start, end) == BODY[start:end]


def test_a_range_beyond_the_end_is_cut_there(config: StoreConfig, item: Listed) -> None:
    assert read(config, ARCHIVE, item, 2_999_990, 9_000_000) == BODY[2_999_990:]


def test_a_body_that_breaks_off_is_taken_up_where_it_stopped(
    config: StoreConfig, item: Listed
) -> None:
    assert config.endpoint_url is not None
    with watching(config.endpoint_url, cut_at=1_000_000, cuts=2) as (endpoint, _):
        assert read(through(config, endpoint), ARCHIVE, item) == BODY


def test_a_body_that_always_breaks_off_is_a_failed_read_after_bounded_tries(
    config: StoreConfig, item: Listed
) -> None:
    assert config.endpoint_url is not None
    with (
        watching(config.endpoint_url, cut_at=300_000, cuts=10 * BODY_RESUMES) as (endpoint, _),
        pytest.raises(ObjectUnreadable) as caught,
    ):
        read(through(config, endpoint), ARCHIVE, item)
    assert caught.value.reason is Reason.READ_FAILED


def test_no_answer_at_all_is_a_lost_service_and_not_the_objects_fault(
    config: StoreConfig, item: Listed
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreLost, match="could not be reached"):
            read(through(config, nowhere), ARCHIVE, item)


def test_an_object_that_changed_since_it_was_listed_is_not_read(
    admin, config: StoreConfig, item: Listed
) -> None:
    admin.put_object(Bucket=ARCHIVE, Key=item.key, Body=BODY[::-1])
    with pytest.raises(ObjectUnreadable) as caught:
        read(config, ARCHIVE, item)
    assert caught.value.reason is Reason.OBJECT_CHANGED


def test_an_object_that_is_gone_is_said_to_be_gone(admin, config: StoreConfig) -> None:
    with pytest.raises(ObjectUnreadable) as caught:
        read(config, ARCHIVE, Listed("body/none.dcm", '"0"', 10))
    assert caught.value.reason is Reason.OBJECT_GONE


def test_a_bucket_that_is_not_there_is_a_lost_service(s3, tmp_path) -> None:
    admin = read_credentials(s3.credentials_file, ADMIN)
    file = tmp_path / "credentials"
    file.write_text(
        f"[default]\naws_access_key_id = {admin.access_key}\n"
        f"aws_secret_access_key = {admin.secret_key}\n"
    )
    with pytest.raises(StoreLost, match="no bucket 'nowhere'"):
        list(pages(StoreConfig(s3.endpoint_url, s3.region, None, str(file)), "nowhere", ""))


def test_no_error_shows_a_secret_or_a_key(s3, config: StoreConfig, tmp_path) -> None:
    secret = "sesame-open-sesame"
    wrong = tmp_path / "credentials"
    wrong.write_text(f"[default]\naws_access_key_id = AKNOBODY\naws_secret_access_key = {secret}\n")
    bad = StoreConfig(s3.endpoint_url, s3.region, None, str(wrong))
    with pytest.raises(StoreLost) as caught:
        read(bad, ARCHIVE, Listed("DOE^JANE/1.dcm", '"0"', 10))
    assert secret not in str(caught.value)
    assert "DOE" not in str(caught.value)
