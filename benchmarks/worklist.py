"""The worklist at size: pages, filtered pages, claims and counts while a writer adds studies.

    python -m benchmarks.worklist [--quick] [--json] [--studies N] [--dir DIR]

Fills a PostgreSQL of its own (5 million studies with 20 million instances and findings each;
`--quick`: 200,000), then asks with pgbench: 16 clients, prepared statements, 160 transactions a
second (16 of claims, each of which is decided half a second later), and one writer that indexes and records a study a second through the product's own code.
The statements are those that the product sends, taken down while it answers for several places of
the list. `ours` is the 95th percentile of what a transaction took from the moment at which it was
due. The last rows ask as fast as they are answered: what a machine can do when it does nothing else.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from sqlalchemy import Engine, event, make_url, select, text
from sqlalchemy.orm import Session

from benchmarks.filled import ACTIVE, OLDER, SITES, VIEWS, fill
from benchmarks.paired import Row, parser, show
from db import audit, counts, index, migrate, reading, results, runs
from db.history import history
from db.index import IndexedInstance, ListedObject, ObjectOutcome
from db.results import BreastScore, StudyResult
from db.schema import Study
from db.session import connect, in_transaction
from db.worklist import page
from mammo.codes import Level, Reason, Status
from nightread.stack import postgres, throwaway

QUICK, FULL = 200_000, 5_000_000  # studies
CLIENTS = 16
BYTES_A_STUDY = 8_000  # with all indexes 6 kB, and the room that building them takes
GOAL_MS = 10.0
RATE = 160  # transactions a second: each client ten, far more than a person turns pages
CLAIM_RATE = 16  # a second: each client one, who takes a minute to read it
QUICK_S, FULL_S = 1, 10  # a case
QUICK_PLACES, FULL_PLACES = 2, 6  # of the list, for each case
WARM = 0.4  # of each case's time, in which statements are prepared
SCREEN = 20  # studies a page
FILLING = {
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "work_mem": "64MB",
    "autovacuum": "off",
}
SERVING = {"shared_buffers": "512MB", "max_wal_size": "2GB"}


Work = Callable[[Session], Any]


class Case(NamedTuple):
    """A name, and what makes ready what the product does at a place of the list."""

    name: str
    ready: Callable[[Session, int], Work]


def _page(**asked: Any) -> Callable[[Session, int], Work]:
    """A page, 200 studies deeper in the list with each place, as far as it reaches."""

    def ready(session: Session, place: int) -> Work:
        of = asked | ({"site": _site(place)} if "site" in asked else {})
        cursor = page(session, 200 * place, **of).next if place else None
        return lambda again: page(again, SCREEN, after=cursor, **of)

    return ready


def _site(place: int) -> str:
    return f"site{place % SITES:02}"


def _history(session: Session, place: int) -> Work:
    uid = session.scalars(select(Study.study_uid).where(Study.id == 1 + 7919 * place)).one()
    return lambda again: history(again, uid)


CASES = (
    Case("page", _page()),
    Case("page of open studies", _page(status=Status.OPEN)),
    Case("page of a site and level", _page(site="", level=Level.SOON)),
    Case("page of a site, open", _page(site="", status=Status.OPEN)),
    Case("page of a day", _page(first=date(2024, 3, 5), last=date(2024, 3, 5))),
    Case("page of three years", _page(first=date(2020, 2, 10), last=date(2023, 2, 20))),
    Case("page of unread studies", _page(status=Status.UNREAD)),
    Case("page of claimed studies", _page(status=Status.CLAIMED)),
    Case("page of read studies", _page(status=Status.READ)),
    Case("page of aged studies", _page(status=Status.AGED)),
    Case("page with missing views", _page(missing_views=True)),
    Case("page not scored", _page(level=Level.NOT_SCORED)),
    Case("page of the older release", _page(release=OLDER)),
    Case("counts", lambda _, place: lambda s: counts.states(s, _site(place) if place else None)),
    Case("history of a study", _history),
    Case("a site's scores by night", lambda _, place: lambda s: counts.nights(s, _site(place))),
)

# A reader's next case. Who lost it to another asks again; what was claimed is decided meanwhile.
CLAIM = r"""
\set reader random(1, 1000000000)
\set who :reader
\set minutes 30
BEGIN;
{held};
{next} \gset
\if :won
\else
{next} \gset
\endif
\set study :study_id
{note};
COMMIT;
"""
DECIDED = text(
    """
    WITH held AS (
        SELECT w.study_id FROM claims c JOIN worklist w ON w.study_id = c.study_id
        FOR NO KEY UPDATE OF w SKIP LOCKED
    ), decided AS (
        UPDATE worklist SET read_at = now(), read_fingerprint = 'as it was'
        FROM held WHERE held.study_id = worklist.study_id
    )
    DELETE FROM claims USING held WHERE held.study_id = claims.study_id
    """
)
DECIDE_S = 0.5  # after a case was claimed, at most; people take a minute


def _claim() -> str:
    parts = {"held": reading.HELD, "next": reading.NEXT, "note": audit.NOTE}
    script = CLAIM
    for name, statement in parts.items():
        script = script.replace("{" + name + "}", statement.text.strip())
    return script  # pgbench's variables are written as those of the statements


def _taken_down(engine: Engine, case: Case, place: int) -> str:
    """A script of the statements that the product sends, values in their places."""
    lines: list[str] = []

    def note(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        lines.append(cursor.mogrify(statement, parameters).decode().strip() + ";")

    with Session(engine) as session:
        work = case.ready(session, place)
    with Session(engine) as session:
        event.listen(engine, "before_cursor_execute", note)
        work(session)
        event.remove(engine, "before_cursor_execute", note)
    return "\n".join(["BEGIN;", *lines, "COMMIT;", ""])


def _asked(
    url: str, folder: Path, scripts: Sequence[str], seconds: int, rate: int | None = RATE
) -> list[float]:
    """What each transaction took, in milliseconds, once all is prepared."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    server = make_url(url)
    command = [str(postgres.programs() / "pgbench"), "--no-vacuum", "--protocol=prepared", "--log"]
    command += [
        f"--client={CLIENTS}",
        "--jobs=2",
        f"--time={seconds}",
        f"--log-prefix={folder}/log",
    ]
    command += ["-D", "detail={}", "-D", "action=benchmark"]
    command += [f"--rate={rate}"] if rate else []
    for number, script in enumerate(scripts):
        path = folder / f"{number}.sql"
        path.write_text(script)
        command.append(f"--file={path}")
    command += [f"--host={server.host}", f"--port={server.port}", f"--username={server.username}"]
    done = subprocess.run(  # noqa: S603 -- of our own package
        [*command, str(server.database)],
        env={"PGPASSFILE": str(server.query["passfile"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[:500])
    # client, number, microseconds, script, second and microsecond at which it ended
    rows = [
        (int(words[4]) + int(words[5]) / 1e6, int(words[2]) / 1000)
        for log in folder.glob("log*")
        for words in map(str.split, log.read_text().splitlines())
    ]
    begin = min(at for at, _ in rows) + WARM * seconds
    return [took for at, took in rows if at > begin]


@contextmanager
def _others(url: str) -> Iterator[list[float]]:
    """A study indexed and recorded each second, and claims decided.

    Yields what the former took, in milliseconds.
    """
    engine = connect(url)
    prefix = runs.Prefix("archive", "site00/")
    run = in_transaction(engine, lambda s: runs.start(s, prefix, ACTIVE, "0", "benchmark"))
    took: list[float] = []
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(1.0):
            began = time.perf_counter()
            in_transaction(engine, lambda s, n=number: _add(s, run.id, n))  # type: ignore[misc]
            took.append(1000 * (time.perf_counter() - began))
            number += 1

    def decide() -> None:
        while not ended.wait(DECIDE_S):
            in_transaction(engine, lambda s: s.execute(DECIDED))

    threads = [threading.Thread(target=work) for work in (write, decide)]
    for thread in threads:
        thread.start()
    try:
        yield took
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        engine.dispose()


def _add(session: Session, run: int, number: int) -> None:
    uid = f"1.2.826.0.2.{run}.{number}"
    listed = ListedObject(f"site00/{run}/{number}.zip", "e", 40_000_000)
    (ref,) = index.listed(session, run, "archive", [listed])
    index.indexed(
        session, [ObjectOutcome(ref.id, None, tuple(_view(uid, v) for v in range(VIEWS)))]
    )
    study = session.scalars(select(Study).where(Study.study_uid == uid)).one()
    probability = number * 37 % 100 / 100
    breast = BreastScore(5, probability)
    results.record(
        session,
        run,
        StudyResult(study.id, study.fingerprint, Level.SOON, 5, probability, left=breast),
    )


def _view(uid: str, number: int) -> IndexedInstance:
    return IndexedInstance(
        sop_instance_uid=f"{uid}.{number}",
        study_uid=uid,
        series_uid=f"{uid}.0",
        study_pseudonym=f"s_{uid}",
        patient_pseudonym=f"p_{uid}",
        modality="MG",
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.4.70",
        is_mammography=True,
        laterality="LR"[number % 2],
        view=("CC", "MLO")[number // 2],
        study_date=date(2026, 1, 1),
        verdict=Reason.OK.verdict,
        reason=Reason.OK,
        detail="",
        flags=(),
        facts={},
        rule_version="1",
    )


def _row(name: str, took: Sequence[float], seconds: float) -> Row:
    cuts = quantiles(took, n=100)
    return Row(
        name,
        cuts[94],
        GOAL_MS,
        "ms, p95",
        GOAL_MS / cuts[94],
        1.0,
        f"at most; median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, {len(took) / seconds:.0f}/s",
    )


def measured(url: str, folder: Path, seconds: int, places: int) -> list[Row]:
    """The rows of all cases; the claims last, since they change what the others read."""
    asking = seconds * (1 - WARM)
    engine = connect(url)
    scripts = {
        case.name: [_taken_down(engine, case, place) for place in range(places)] for case in CASES
    }
    engine.dispose()
    claim = [_claim()]
    with _others(url) as wrote:
        rows = [
            _row(name, _asked(url, folder / "asked", texts, seconds), asking)
            for name, texts in scripts.items()
        ]
        took = _asked(url, folder / "asked", claim, 3 * seconds, CLAIM_RATE)
        rows.append(_row("claim the next case", took, 3 * asking))
        for name, texts in (("page", scripts["page"]), ("claim the next case", claim)):
            took = _asked(url, folder / "asked", texts, seconds, rate=None)
            row = _row(f"{name}: as fast as they go", took, asking)
            rows.append(replace(row, goal=None))
    slowest = max(wrote)
    middle = sorted(wrote)[len(wrote) // 2]
    of = "its slowest; index and record a study, one a second"
    rows.append(Row("the writer, median", middle, slowest, "ms", slowest / middle, None, of))
    return rows


def measure(*, quick: bool, studies: int | None = None, folder: Path | None = None) -> list[Row]:
    """Fill and ask. A `folder` that was filled before is asked again, and stays."""
    root = folder or Path(tempfile.mkdtemp(prefix="nr-worklist-"))
    try:
        began = time.perf_counter()
        full = studies or (QUICK if quick else FULL)
        if not (root / "filled").exists():
            root.mkdir(exist_ok=True)
            if shutil.disk_usage(root).free < full * BYTES_A_STUDY:
                raise SystemExit(
                    f"{full} studies need {full * BYTES_A_STUDY / 1e9:.0f} GB in {root}:"
                    " free them, or ask for fewer with --studies."
                )
            with throwaway.postgresql(root, more=FILLING) as url:
                migrate.upgrade(url)
                engine = connect(url)
                fill(engine, full)
                engine.dispose()
            (root / "filled").write_text(str(full))
        filling = time.perf_counter() - began
        with throwaway.postgresql(root, durable=True, more=SERVING) as url:
            rows = (
                measured(url, root, QUICK_S, QUICK_PLACES)
                if quick
                else measured(url, root, FULL_S, FULL_PLACES)
            )
    finally:
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)
    said = f"seconds to fill it; {VIEWS} instances and findings a study"
    first = Row("studies in the list", full, filling, "studies", full / filling, None, said)
    return [first, *rows]


if __name__ == "__main__":
    asked = parser(__doc__ or "")
    asked.add_argument("--studies", type=int, help="instead of 5 million")
    asked.add_argument("--dir", type=Path, help="keep the database here, or use what is there")
    given = asked.parse_args()
    found = measure(quick=given.quick, studies=given.studies, folder=given.dir)
    show("worklist", found, as_json=given.json)
