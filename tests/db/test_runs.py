"""Runs: one at a time over a prefix and release, and none that dies without a trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import runs, schema
from db.lock import RunLocked, run_lock
from db.runs import Prefix, Run
from db.session import connect, in_transaction
from db.summary import summary
from tests.db.archive import put_studies
from tests.db.conftest import PREFIX, RELEASE

END_OTHERS = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_run_that_ended_stays_ended(session: Session, run: Run) -> None:
    runs.finish(session, run.id, "failed")
    runs.finish(session, run.id, "finished")
    runs.heartbeat(session, run.id, {"list": 9.0})
    ended = runs.get(session, run.id)
    assert ended is not None
    assert (ended.state, ended.seconds) == ("failed", {})


def test_a_run_that_died_becomes_interrupted_when_the_next_one_starts(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    runs.heartbeat(session, run.id, {"fetch": 2.0})
    beat = runs.get(session, run.id)
    later = runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")
    died = runs.get(session, run.id)
    assert died is not None
    assert beat is not None
    assert (died.state, died.finished_at) == ("interrupted", beat.heartbeat_at)
    assert summary(session, run.id).listed == 4
    lived = (beat.heartbeat_at - beat.started_at).total_seconds()
    assert summary(session, run.id).seconds_total == pytest.approx(lived)
    assert later.state == "running"


def test_the_latest_run_is_the_one_that_began_last(session: Session, run: Run) -> None:
    other = runs.start(session, Prefix("archive", "else/"), RELEASE, "0.1.0", "host:2")
    assert runs.latest(session) == other
    assert runs.latest(session, PREFIX) == run
    assert runs.latest(session, PREFIX, "b" * 64) is None
    assert runs.get(session, 999) is None
    with pytest.raises(LookupError, match="there is no run 999"):
        summary(session, 999)


@pytest.mark.usefixtures("run")
def test_postgres_refuses_a_second_running_run(session: Session) -> None:
    session.add(
        schema.Run(bucket="archive", prefix="night/", release=RELEASE, who="x", code_version="")
    )
    with pytest.raises(IntegrityError, match="uq_runs_running"):
        session.flush()


def test_a_release_is_known_by_a_sha256(session: Session) -> None:
    with pytest.raises(IntegrityError, match="ck_releases_digest_is_sha256"):
        runs.register_release(session, "latest", "latest", {})


def test_a_held_lock_names_who_holds_it_and_since_when(engine: Engine, run: Run) -> None:
    with (
        run_lock(engine, PREFIX, RELEASE),
        pytest.raises(RunLocked) as error,
        run_lock(engine, PREFIX, RELEASE),
    ):
        pass
    assert (error.value.who, error.value.since) == ("host:1", run.started_at)


def test_a_lock_without_a_run_yet_is_a_lock(engine: Engine) -> None:
    with (
        run_lock(engine, PREFIX, RELEASE),
        pytest.raises(RunLocked) as error,
        run_lock(engine, PREFIX, RELEASE),
    ):
        pass
    assert (error.value.who, error.value.since) == (None, None)


def test_another_prefix_or_release_is_free(engine: Engine) -> None:
    with (
        run_lock(engine, PREFIX, RELEASE),
        run_lock(engine, Prefix("archive", "else/"), RELEASE),
        run_lock(engine, PREFIX, "b" * 64),
    ):
        pass


def test_a_lock_is_free_after_its_run(engine: Engine) -> None:
    for _ in range(2):
        with run_lock(engine, PREFIX, RELEASE):
            pass


def test_a_lock_whose_session_was_lost_is_taken_again(engine: Engine) -> None:
    with run_lock(engine, PREFIX, RELEASE) as lock:
        with engine.connect() as connection:
            connection.execute(text(END_OTHERS))
        lock.keep()
        with pytest.raises(RunLocked), run_lock(engine, PREFIX, RELEASE):
            pass


def test_a_run_that_lost_its_lock_to_another_is_told(engine: Engine, url: str) -> None:
    other = connect(url)
    with run_lock(engine, PREFIX, RELEASE) as lock:
        with other.connect() as connection:
            connection.execute(text(END_OTHERS))
        with run_lock(other, PREFIX, RELEASE), pytest.raises(RunLocked):
            lock.keep()
    other.dispose()


HOLD = """
import sys, time
from db.lock import run_lock
from db.runs import Prefix
from db.session import connect
with run_lock(connect(sys.argv[1]), Prefix("archive", "night/"), "a" * 64):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_lets_go(engine: Engine, url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLocked), run_lock(engine, PREFIX, RELEASE):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with engine.connect() as connection:  # the server notices at its next look at the socket
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:name, 0))"),
                           {"name": f"archive\nnight/\n{RELEASE}"})  # fmt: skip
        connection.invalidate()
    with run_lock(engine, PREFIX, RELEASE):
        pass


def test_the_clock_is_the_databases(engine: Engine, session: Session) -> None:
    def begin(session: Session) -> Run:
        runs.register_release(session, RELEASE, "first", {})
        return runs.start(session, PREFIX, RELEASE, "0.1.0", "host:1")

    before = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    run = in_transaction(engine, begin)
    after = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert before <= run.started_at <= after
    assert run.started_at.utcoffset() is not None
