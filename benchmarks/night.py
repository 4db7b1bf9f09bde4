"""The job as a whole: studies a minute, where the time goes, and what it costs over its work.

    python -m benchmarks.night [--quick] [--json]

Starts a stack of its own in a temporary folder, fills an archive with full-size phantoms and
screens it as `nightread screen` does. The peer of the overhead is the same studies decoded,
prepared and inferred one after the other in this process, one thread, without S3, Ray, Triton
and Postgres.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from sqlalchemy import text

from benchmarks.paired import Row, parser, show
from db.session import connect, in_transaction
from mammo.decode import decode
from mammo.header import parse
from mammo.prepare import prepare
from nightread.cli.screen import run
from nightread.cores import cores
from nightread.demo import fill
from nightread.phantom_files import DICOM, write
from nightread.settings import Settings, load_settings
from nightread.stack.down import down
from nightread.stack.layout import Layout
from nightread.stack.up import up
from triton_repo.graphs import Graphs
from triton_repo.release import Release, load

GOAL_STUDIES_A_MINUTE = 10
OVERHEAD_BOUND = 1.5  # core-seconds of the job over those of its work alone
USE_BOUND = 0.8  # of all cores' time, steady: decode, prepare and inference
QUICK, FULL = 4, 24
SEED = 77

FIRST_AND_LAST = text(
    "SELECT count(*), extract(epoch FROM max(created_at) - min(created_at))::float8"
    " FROM results WHERE superseded_at IS NULL"
)


@contextmanager
def stack(folder: Path) -> Iterator[Settings]:
    layout = Layout(folder)
    up(layout, load_settings(stack_file=None), lambda _: None)
    try:
        yield load_settings(layout.settings_file, environment=False)
    finally:
        down(layout)


def work_alone(files: list[Path], release: Release) -> tuple[float, float]:
    """CPU seconds of decoding with preparing, and of inference, over all files."""
    cv2.setNumThreads(1)
    graphs = Graphs.of(release)
    pixels = inference = 0.0
    for path in files:
        data = path.read_bytes()
        facts = parse(data, len(data)).facts
        assert facts is not None
        began = time.process_time()
        view = prepare(decode(data), facts.laterality, release.manifest.preparation)
        middle = time.process_time()
        graphs(view.tensor)
        pixels += middle - began
        inference += time.process_time() - middle
    return pixels, inference


def measure(*, quick: bool) -> list[Row]:
    studies = QUICK if quick else FULL
    root = Path(tempfile.mkdtemp(prefix="nr-night-"))
    try:
        write(root / "phantoms", studies, SEED, lambda: None)
        files = sorted((root / "phantoms" / DICOM).rglob("*.dcm"))
        with stack(root / "stack") as settings:
            fill(settings, Layout(root / "stack"), root / "phantoms" / DICOM, "night/")
            release = load(settings.releases_dir / str(settings.release))
            document, _ = run(settings, "s3://archive/night/", quiet=True)
            engine = connect(settings.need("database_url"))
            done, span = in_transaction(engine, lambda s: s.execute(FIRST_AND_LAST).one())
            engine.dispose()
        pixels, inference = work_alone(files, release)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    steady = 60 * (done - 1) / span  # without Ray's start and the index
    core_seconds = cores() * span / (done - 1)
    alone = (pixels + inference) / studies
    overhead = core_seconds / alone
    stages = document.seconds.by_stage.model_dump()
    total = sum(stages.values())
    return [
        Row(
            "default_release",
            document.studies_per_minute,
            GOAL_STUDIES_A_MINUTE,
            "studies/min",
            document.studies_per_minute / GOAL_STUDIES_A_MINUTE,
            1.0,
            f"the goal; whole run of {studies} studies, Ray's start and the index included",
        ),
        Row(
            "default_release, steady",
            steady,
            GOAL_STUDIES_A_MINUTE,
            "studies/min",
            steady / GOAL_STUDIES_A_MINUTE,
            1.0,
            "the goal; from the first result to the last",
        ),
        Row(
            "overhead",
            core_seconds,
            alone,
            "core-s/study",
            OVERHEAD_BOUND / overhead,
            1.0,
            f"decode, prepare and inference alone, one thread, at most {OVERHEAD_BOUND} times",
        ),
        Row(
            "cores on that work, steady",
            alone / core_seconds,
            USE_BOUND,
            "of 1",
            alone / core_seconds / USE_BOUND,
            1.0,
            f"at least; {cores()} cores, the work at what it costs alone",
        ),
        Row(
            "decode and prepare alone",
            pixels / studies,
            inference / studies,
            "core-s/study",
            inference / pixels,
            None,
            "inference alone",
        ),
        *(
            Row(
                f"stage {name}",
                seconds,
                total,
                "task-s",
                total / seconds if seconds else 0.0,
                None,
                "all stages, summed over tasks",
            )
            for name, seconds in stages.items()
        ),
    ]


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    show("night", measure(quick=given.quick), as_json=given.json)
