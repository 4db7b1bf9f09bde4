"""Guarantees 1, 2 and 6: a job that is killed half-way costs its window and nothing else."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from tritonclient.grpc import InferenceServerClient

from db.session import connect
from nightread.stack.layout import Layout
from tests.calls import NIGHTREAD, environment, phantom_files
from triton_repo.release import MANIFEST

STUDIES, WINDOW = 10, 4

ROWS = text(
    """
    SELECT s.study_uid, r.release, r.score, r.probability,
        (SELECT json_agg(json_build_array(f.sop_instance_uid, f.x0, f.y0, f.x1, f.y1, f.probability)
            ORDER BY f.sop_instance_uid, f.x0, f.y0) FROM findings f WHERE f.result_id = r.id)
    FROM results r JOIN studies s ON s.id = r.study_id
    WHERE s.study_uid IN (
        SELECT study_uid FROM studies s2 JOIN instances i ON i.study_id = s2.id
        JOIN objects o ON o.id = i.object_id WHERE starts_with(o.key, 'killed/'))
    ORDER BY s.study_uid
    """
)


def results(engine: Engine, digest: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(ROWS) if row.release == digest]


def views_inferred(url: str) -> int:
    with InferenceServerClient(url) as client:
        statistics = client.get_inference_statistics("screening")
        return int(statistics.model_stats[0].inference_count)


@pytest.mark.timeout(170)
def test_after_kill_9_one_result_a_study_equal_to_an_undisturbed_run(
    nightread, put, stack, tmp_path: Path
) -> None:
    settings = stack.settings
    prefix = put("killed", phantom_files(STUDIES, seed=31))
    engine = connect(settings.database_url)
    before = views_inferred(settings.triton_url)
    job = subprocess.Popen(
        [NIGHTREAD, "screen", prefix, "--config", Layout(stack.folder).settings_file],
        env=environment(NIGHTREAD_WINDOW=str(WINDOW)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    digest = _digest(settings.releases_dir / settings.release)
    deadline = time.monotonic() + 90
    while len(results(engine, digest)) < 3 and time.monotonic() < deadline:
        assert job.poll() is None, "the job ended before it could be killed"
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    done = len(results(engine, digest))
    assert 3 <= done < STUDIES

    again = nightread("screen", prefix, "--json")
    assert again.code == 0, again.err
    assert again.json["studies"] == {
        "known": STUDIES,
        "scored": STUDIES,
        "screened_now": STUDIES - done,
        "already_current": done,
        "not_scored": 0,
        "pending": 0,
        "not_mammography": 0,
    }
    rows = results(engine, digest)
    assert any(row[4] for row in rows), "no finding to compare"
    assert len(rows) == STUDIES == len({row[0] for row in rows})
    inferred = views_inferred(settings.triton_url) - before
    canaries = 2  # one for each run
    assert inferred <= 4 * (STUDIES + WINDOW) + canaries

    # The same graphs under another name: an undisturbed run to compare with.
    other = tmp_path / "releases" / "undisturbed"
    shutil.copytree(settings.releases_dir / settings.release, other)
    manifest = json.loads((other / MANIFEST).read_text())
    (other / MANIFEST).write_text(json.dumps(manifest | {"name": "undisturbed"}))
    undisturbed = nightread(
        "screen", prefix, "--release", "undisturbed", NIGHTREAD_RELEASES_DIR=str(other.parent)
    )
    assert undisturbed.code == 0, undisturbed.err
    for mine, its in zip(rows, results(engine, _digest(other)), strict=True):
        assert mine[0] == its[0]
        assert mine[2:4] == its[2:4]
        for box, other_box in zip(mine[4] or [], its[4] or [], strict=True):  # type: ignore[call-overload]
            assert box[0] == other_box[0]
            assert np.abs(np.subtract(box[1:5], other_box[1:5])).max() < 1e-3
    engine.dispose()


def _digest(release: Path) -> str:
    import hashlib  # noqa: PLC0415

    return hashlib.sha256((release / MANIFEST).read_bytes()).hexdigest()
