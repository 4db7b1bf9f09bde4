import contextlib
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, make_url, text

from nightread.stack import throwaway
from nightread.stack.proofs import s3_client
from nightread.stack.seaweedfs import read_credentials


def test_the_throw_away_server_answers_and_its_url_holds_no_password(postgres_url: str) -> None:
    assert make_url(postgres_url).password is None
    engine = create_engine(postgres_url)
    with engine.begin() as session:
        assert session.scalar(text("SELECT sum(n) FROM generate_series(1, 1000) n")) == 500_500
        assert session.scalar(text("SHOW server_version_num")) >= "180000"
    engine.dispose()


def test_a_closed_folder_above_the_data_does_not_keep_root_from_starting_it(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("environment: only root must run PostgreSQL as somebody else")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with throwaway.postgresql(closed) as url:
        engine = create_engine(url)
        with engine.connect() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            assert Path(f"/proc/{pid}").stat().st_uid != 0
        engine.dispose()


def test_the_throw_away_s3_lets_its_reader_read_the_archive_and_nothing_else(
    s3: throwaway.S3,
) -> None:
    admin, reader = (
        s3_client(s3.endpoint_url, read_credentials(s3.credentials_file, name))
        for name in ("admin", "default")
    )
    with contextlib.closing(admin), contextlib.closing(reader):
        admin.put_object(Bucket="archive", Key="reader/film", Body=b"film")
        assert reader.get_object(Bucket="archive", Key="reader/film")["Body"].read() == b"film"
        listed = reader.list_objects_v2(Bucket="archive", Prefix="reader/")["Contents"]
        assert [o["Key"] for o in listed] == ["reader/film"]
        for refused in (
            lambda: reader.put_object(Bucket="archive", Key="x", Body=b""),
            lambda: reader.delete_object(Bucket="archive", Key="reader/film"),
            lambda: reader.list_objects_v2(Bucket="nightread-health"),
        ):
            with pytest.raises(ClientError) as error:
                refused()
            assert error.value.response["Error"]["Code"] == "AccessDenied"
        admin.delete_object(Bucket="archive", Key="reader/film")
