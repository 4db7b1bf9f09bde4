import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from nightread.stack import throwaway


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
        pytest.skip("only root must run PostgreSQL as somebody else")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with throwaway.server(closed) as url:
        engine = create_engine(url)
        with engine.connect() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            assert Path(f"/proc/{pid}").stat().st_uid != 0
        engine.dispose()
