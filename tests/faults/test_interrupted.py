"""Ctrl-C: what is done stands, the next run goes on."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from db.session import connect
from nightread.stack.layout import Layout
from tests.calls import NIGHTREAD, environment, phantom_files

DONE = text(
    "SELECT count(DISTINCT r.study_id) FROM results r JOIN instances i ON i.study_id = r.study_id"
    " JOIN objects o ON o.id = i.object_id WHERE starts_with(o.key, :folder)"
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_the_next_one_goes_on(
    nightread, put, stack, tmp_path: Path, stop: signal.Signals
) -> None:
    folder = f"interrupted-{stop.name}"
    prefix = put(folder, phantom_files(6, seed=90 + stop))
    engine = connect(stack.settings.database_url)
    job = subprocess.Popen(
        [NIGHTREAD, "screen", prefix, "--config", Layout(stack.folder).settings_file],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 120
    done = 0
    while done == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
        with engine.connect() as connection:
            done = connection.execute(DONE, {"folder": f"{folder}/"}).scalar_one()
    job.send_signal(stop)
    out, err = job.communicate(timeout=60)
    engine.dispose()
    assert job.returncode == 130, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert "interrupted" in err
    assert nightread("status", "--json").json["state"] == "interrupted"
    again = nightread("screen", prefix, "--json").json
    assert again["studies"]["scored"] == 6
    assert again["studies"]["already_current"] >= done
