"""Guarantee 29 on the whole stack: nothing but the keyed stub is left, wherever one looks."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from db import runs
from db.exports import Address, note
from db.lock import run_lock
from db.runs import Prefix
from db.session import connect, in_transaction
from nightread.cli.app import app
from nightread.erasing import act, look, of_patient, of_study, opened
from nightread.erasure.places import Previews
from nightread.errors import LockedError, NightreadError, UsageError
from nightread.export.kinds import Kind
from nightread.exporting import send
from nightread.jobs import store_config
from nightread.shapes import EraseDocument
from nightread.stack import logins, postgres, seaweedfs
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from ray_jobs.archive.store import StoreConfig
from tests.calls import BUCKET, Called, adds_up, phantom_files
from tests.conftest import Stack

pytestmark = pytest.mark.timeout(170)

NAME, NUMBER = "ZAPHODINE^BEEBLEBROX", "PLANTED-4711"
OUT = "erasure-out"  # a bucket of exports and previews


def _of(data: bytes, name: str, number: str) -> bytes:
    header = dcmread(io.BytesIO(data))
    header.PatientName, header.PatientID, header.IssuerOfPatientID = name, number, "north"
    header.AccessionNumber = f"ACC-{number}"
    written = io.BytesIO()
    header.save_as(written)
    return written.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return whole.getvalue()


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Any:
    login = seaweedfs.read_credentials(Layout(stack.folder).credentials_file, seaweedfs.ADMIN)
    client = s3_client(stack.settings.s3_endpoint_url, login)
    client.create_bucket(Bucket=OUT)
    return client


@pytest.fixture(scope="module")
def writer(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Credentials of who writes exports."""
    login = seaweedfs.read_credentials(Layout(stack.folder).credentials_file, seaweedfs.ADMIN)
    path = tmp_path_factory.mktemp("erasure") / "writer"
    path.write_text(
        f"[default]\naws_access_key_id={login.access_key}\n"
        f"aws_secret_access_key={login.secret_key}\n"
    )
    return path


def in_tables(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every row of every table of every schema, as text."""
    session = logins.connect(_postgres(stack), postgres.OWNER, Layout(stack.folder).passfile)
    with closing(session), session.cursor() as query:
        query.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (table,) in query.fetchall():
            query.execute(f"SELECT t::text FROM {table} t")
            yield from ((table, row) for (row,) in query.fetchall())


def _postgres(stack: Stack) -> str:
    url = str(stack.settings.migration_database_url)
    return "postgresql://" + url.split("@", 1)[1].split("/", 1)[0]


def in_buckets(admin: Any) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of all objects but the archive's, zips opened."""
    for bucket in (row["Name"] for row in admin.list_buckets()["Buckets"]):
        if bucket == BUCKET:
            continue
        for page in admin.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", ()):
                data = admin.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                yield f"{bucket}/{item['Key']}", item["Key"].encode() + data
                if zipfile.is_zipfile(io.BytesIO(data)):
                    with zipfile.ZipFile(io.BytesIO(data)) as packed:
                        for name in packed.namelist():
                            yield f"{item['Key']}:{name}", name.encode() + packed.read(name)


def in_logs(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """What the stack's services have written of what they did."""
    logs = [path for path in stack.folder.rglob("*log*") if path.is_file()]
    assert {path.name for path in logs} >= {"log", "supervisor.log"}
    yield from ((str(path.relative_to(stack.folder)), path.read_bytes()) for path in logs
                if "seaweedfs/data" not in str(path) and "postgres/data/pg_" not in str(path))  # fmt: skip


def found(stack: Stack, admin: Any, planted: set[str]) -> set[str]:
    """Where one of these texts stands."""
    wanted = [value.encode() for value in planted]
    places: set[str] = set()
    places |= {t for t, row in in_tables(stack) if any(v.decode() in row for v in wanted)}
    for where in (in_buckets(admin), in_logs(stack)):
        places |= {name for name, data in where if any(value in data for value in wanted)}
    return places


class World:
    """Two patients, of whom one is to be erased."""

    def __init__(self, files: dict[str, bytes], other: bytes) -> None:
        headers = [dcmread(io.BytesIO(data), stop_before_pixels=True) for data in files.values()]
        self.files = files
        self.other = str(dcmread(io.BytesIO(other), stop_before_pixels=True).StudyInstanceUID)
        self.study = str(headers[0].StudyInstanceUID)
        self.planted = {NAME, "ZAPHODINE", NUMBER} | {
            str(value)
            for header in headers
            for value in (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
        }


@pytest.fixture(scope="module")
def screened(nightread: Callable[..., Called], put: Callable[..., str]) -> tuple[World, str]:
    files = phantom_files(2, 171)
    hers = {n: _of(d, NAME, NUMBER) for n, d in files.items() if n.startswith("000/")}
    other = {n: _of(d, "Other^Person", "4712") for n, d in files.items() if n.startswith("001/")}
    world = World(hers, other["001/LCC.dcm"])
    both = _zip({f"{NAME}/LCC.dcm": hers["000/LCC.dcm"], "other/LCC.dcm": other["001/LCC.dcm"]})
    rest = {f"{NAME}/{name}": data for name, data in hers.items() if name != "000/LCC.dcm"}
    rest |= {f"other/{name}": data for name, data in other.items() if name != "001/LCC.dcm"}
    prefix = put("erasure", rest | {"both.zip": both})
    called = nightread("screen", prefix, "--json", "--quiet")
    assert called.code == 0, called.err
    assert called.json["studies"]["scored"] == 2
    return world, prefix


def test_a_patient_is_erased_and_nothing_of_her_comes_back(
    nightread: Callable[..., Called],
    screened: tuple[World, str],
    stack: Stack,
    admin: Any,
    writer: Path,
    put: Callable[..., str],
    tmp_path: Path,
) -> None:
    world, prefix = screened
    settings = stack.settings.model_copy(update={"export_s3_credentials_file": writer})
    send([world.study], Kind.CAD_SR, str(tmp_path), settings)
    send([world.study], Kind.GSPS, f"s3://{OUT}/pacs", settings)
    send([world.study], Kind.CSV, f"s3://{OUT}/t", settings)
    with opened(settings) as eraser:
        (pseudonym,) = of_patient(eraser, NUMBER, "north").studies
    picture = f"{pseudonym}/digest/overview"  # as who draws one would keep it
    admin.put_object(Bucket=seaweedfs.PREVIEWS, Key=picture, Body=NAME.encode())
    before = found(stack, admin, world.planted)
    assert f"{seaweedfs.PREVIEWS}/{picture}" in before
    assert {"identity.patients", "identity.orders", "public.objects", "public.worklist"} <= before
    assert any(place.startswith(f"{OUT}/pacs/") for place in before)
    assert len(list(tmp_path.rglob("*.dcm"))) == 1

    with opened(settings) as eraser:
        tried = look(eraser, of_patient(eraser, NUMBER, "north"))
    assert found(stack, admin, world.planted) == before
    asked = ("erase", "--patient", NUMBER, "--issuer", "north")
    out = {"NIGHTREAD_EXPORT_S3_CREDENTIALS_FILE": str(writer), "NIGHTREAD_BACKUP_DAYS": "35"}
    called = nightread(*asked, "--yes", "--json", **out)
    assert called.code == 0, called.err
    said = EraseDocument.model_validate(called.json)
    assert said.studies == tried.studies
    (one,) = said.studies
    assert (one.known, one.objects, one.exports, one.previews) == (True, 3, 5, 1)
    assert said.backups_until is not None
    assert [left.what.split()[0] for left in said.left] == ["csv", "csv", "the"]
    assert not any(value in called.out + called.err for value in world.planted)

    assert found(stack, admin, world.planted) == set()
    assert list(tmp_path.rglob("*.dcm")) == []
    stubs = {table for table, row in in_tables(stack) if one.pseudonym in row}
    assert stubs == {"public.erased", "public.audit"}

    # Another night: a new image, another etag, and the zip again.
    late = {
        f"{NAME}/000/LCC.dcm": world.files["000/LCC.dcm"],
        f"{NAME}/000/RCC.dcm": world.files["000/RCC.dcm"] + b"\0\0",
    }
    put("erasure", late)
    called = nightread("screen", prefix, "--json", NIGHTREAD_LOG_FORMAT="json")
    assert called.code == 0, called.err
    adds_up(called.json)
    assert called.json["reasons"] == {"OK": 4, "ERASED": 5}
    assert called.json["studies"]["known"] == 1
    assert not any(value in called.out + called.err for value in world.planted)
    assert found(stack, admin, world.planted) == set()
    with opened(settings) as eraser:
        (again,) = act(eraser, of_study(eraser, world.study)).studies
    assert not again.known


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--study", "1.2.3.404"), 5, "no such study"),
        (("--patient", "nobody"), 5, "no patient"),
        (("--patient", "UNKNOWN"), 5, "one by one"),
        ((), 2, "either"),
        (("--study", "1.2.3", "--issuer", "x"), 2, "--patient"),
    ],
)
def test_what_is_not_known_is_refused(
    stack: Stack, arguments: tuple[str, ...], code: int, said: str
) -> None:
    config = str(Layout(stack.folder).settings_file)
    ended = CliRunner().invoke(app, ["erase", *arguments, "--yes", "--config", config])
    assert isinstance(ended.exception, NightreadError)
    assert (ended.exception.exit_code, ended.stdout) == (code, "")
    assert said in str(ended.exception)


def test_it_asks_first_and_without_an_answer_nothing_is_removed(stack: Stack) -> None:
    config = str(Layout(stack.folder).settings_file)
    ended = CliRunner().invoke(app, ["erase", "--study", "1.2.3", "--config", config], input="y\n")
    assert isinstance(ended.exception, UsageError)  # no terminal: nobody was asked
    assert "--yes" in str(ended.exception)


@pytest.fixture
def job(stack: Stack) -> Iterator[Engine]:
    engine = connect(str(stack.settings.database_url))
    yield engine
    engine.dispose()


def test_what_cannot_be_reached_is_told_and_a_run_that_holds_the_study_stops_it(
    screened: tuple[World, str], stack: Stack, job: Engine
) -> None:
    other = screened[0].other
    in_transaction(
        job,
        lambda s: note(s, [other], "cad-sr", Address("dicom", "PACS@pacs:104"), "x.dcm", "1.2.9"),
    )
    with opened(stack.settings) as eraser:
        wanted = of_study(eraser, other)
        told = look(eraser, wanted)
        assert [(left.what, left.where) for left in told.left[:1]] == [
            ("cad-sr 1.2.9", "PACS@pacs:104")
        ]
        prefix, release = Prefix(BUCKET, "erasure-held/"), in_transaction(job, _release)
        with run_lock(job, prefix, release):
            run = in_transaction(job, lambda s: runs.start(s, prefix, release, "0", "host:7"))
            (study,) = wanted.studies
            in_transaction(job, lambda s: s.execute(HAND_OUT, {"study": study, "run": run.id}))
            for attempt in (look, act):
                with pytest.raises(LockedError, match="host:7"):
                    attempt(eraser, wanted)
            in_transaction(job, lambda s: runs.finish(s, run.id, "interrupted"))
        assert look(eraser, wanted).studies[0].known


HAND_OUT = text(
    "INSERT INTO attempts (study_id, release, run_id, fingerprint, count)"
    " SELECT s.id, r.release, r.id, s.fingerprint, 1 FROM studies s, runs r"
    " WHERE s.pseudonym = :study AND r.id = :run"
)


def _release(session: Session) -> str:
    release = runs.latest(session)
    assert release is not None
    return release.release


def test_previews_go_with_the_study(stack: Stack, admin: Any, writer: Path) -> None:
    """Whoever draws them puts them below the study's pseudonym."""
    config = store_config(stack.settings)
    place = Previews(
        f"s3://{OUT}/previews",
        StoreConfig(config.endpoint_url, config.region, config.ca_bundle, str(writer)),
        "NIGHTREAD_X",
    )
    for key in ("s_a/1.png", "s_a/deeper/2.png", "s_ab/3.png"):
        admin.put_object(Bucket=OUT, Key=f"previews/{key}", Body=b"picture")
    assert place.of("s_a") == ["previews/s_a/1.png", "previews/s_a/deeper/2.png"]
    place.remove("s_a")
    place.remove("s_a")
    assert (place.of("s_a"), place.of("s_ab")) == ([], ["previews/s_ab/3.png"])
