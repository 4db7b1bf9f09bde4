"""What a stack that runs promises; one stack for all of these."""

import contextlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from nightread.cli.stack import app
from nightread.errors import LockedError, ServiceError
from nightread.settings import Settings, load_settings
from nightread.shapes import ServiceStatus
from nightread.stack import seaweedfs
from nightread.stack.down import alone, down
from nightread.stack.layout import Layout
from nightread.stack.state import read
from nightread.stack.status import status
from nightread.stack.up import set_up_postgres, up


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, small_releases: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path_factory.mktemp("running"))
    up(layout, Settings(releases_dir=small_releases), tell=print)
    try:
        yield layout
    finally:
        down(layout)


def secrets(layout: Layout) -> list[str]:
    logins = [line.rsplit(":", 1)[1] for line in layout.passfile.read_text().split()]
    profiles = layout.credentials_file.read_text().splitlines()
    keys = [line.split(" = ")[1] for line in profiles if "secret" in line]
    files = (layout.pseudonym_key_file, layout.audit_key_file)
    random = [path.read_bytes().hex() for path in files]
    return [*logins, *keys, *random, layout.web_key_file.read_text()]


def processes(layout: Layout) -> list[psutil.Process]:
    pid = json.loads(layout.state.read_text())["supervisor"]["pid"]
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def test_status_has_proven_every_service(running: Layout) -> None:
    result = CliRunner().invoke(app, ["status", "--json", "--dir", str(running.root)])
    rows = [ServiceStatus.model_validate(row) for row in json.loads(result.stdout)]
    assert result.exit_code == 0
    assert {row.service: row.state for row in rows} == {
        "seaweedfs": "running",
        "postgresql": "running",
        "triton": "running",
    }
    assert all(row.proof and row.url and psutil.pid_exists(row.pid or 0) for row in rows)


def test_the_job_is_told_of_the_reader_alone(running: Layout) -> None:
    settings = load_settings(running.settings_file)
    assert settings.s3_credentials_file == running.reader_credentials_file
    admin = seaweedfs.read_credentials(running.credentials_file, seaweedfs.ADMIN)
    text = running.reader_credentials_file.read_text()
    assert admin.secret_key not in text
    assert admin.access_key not in text


def test_a_second_up_says_so_and_starts_nothing(running: Layout) -> None:
    before, said = status(running), []
    assert up(running, Settings(), tell=said.append) == before
    assert said == [f"The stack in {running.root} is already running."]


def test_two_commands_at_once_do_not_meet(running: Layout) -> None:
    with alone(running), pytest.raises(LockedError, match="is at work on"):
        down(running)


def test_every_file_with_a_secret_is_for_its_owner_alone(running: Layout) -> None:
    wanted = secrets(running)
    assert len(wanted) == 12
    found = dict.fromkeys(wanted, 0)
    for path in running.root.rglob("*"):
        if not path.is_file() or running.postgres / "data" in path.parents:
            continue
        body = path.read_bytes()
        for secret in wanted:
            if secret.encode() in body or bytes.fromhex(secret) in body:
                found[secret] += 1
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert all(found.values())


def test_no_secret_stands_on_a_command_line_or_in_an_environment(running: Layout) -> None:
    wanted = secrets(running)
    assert len(processes(running)) > 10
    for process in psutil.process_iter():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            with contextlib.suppress(PermissionError):
                shown += Path(f"/proc/{process.pid}/environ").read_bytes()
            assert not [s for s in wanted if s.encode() in shown], process.name()


def test_everything_listens_on_loopback_only(running: Layout) -> None:
    listening = []
    for process in processes(running):
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's own come and go
            connections = process.net_connections("inet")
            listening += [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]
    assert len(listening) >= 11  # SeaweedFS 8, PostgreSQL 1, Triton 2
    # Triton's sockets are IPv6 ones that hold an IPv4 address.
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_the_settings_file_is_what_other_commands_read(running: Layout) -> None:
    assert stat.S_IMODE(running.settings_file.stat().st_mode) == 0o600
    settings = load_settings(running.settings_file)
    assert settings.release == "small"
    assert settings.pseudonym_key_file is not None
    assert len(settings.pseudonym_key_file.read_bytes()) == 32
    assert settings.s3_credentials_file == running.reader_credentials_file
    who = {}
    for url in (settings.need("database_url"), settings.need("migration_database_url")):
        engine = create_engine(url)
        with engine.connect() as session:
            name, superuser = session.execute(
                text("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
            ).one()
            who[name] = superuser
        engine.dispose()
    assert who == {"nightread_job": False, "nightread_owner": True}


def test_the_job_has_what_the_migrations_give_their_group(running: Layout) -> None:
    engine = create_engine(load_settings(running.settings_file).need("database_url"))
    with engine.connect() as session:
        assert session.scalar(text("SELECT pg_has_role('nightread_app', 'member')"))
        assert session.scalar(text("SHOW fsync")) == "on"
    engine.dispose()


def test_a_schema_from_the_future_is_one_sentence(running: Layout) -> None:
    told = read(running.state).services["postgresql"]
    engine = create_engine(load_settings(running.settings_file).need("migration_database_url"))
    with engine.begin() as session:
        known = session.scalar(text("SELECT version_num FROM alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = 'f99999999999'"))
    try:
        with pytest.raises(ServiceError, match="if a newer nightread made it"):
            set_up_postgres(told, running)
    finally:
        with engine.begin() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :n"), {"n": known})
        engine.dispose()
