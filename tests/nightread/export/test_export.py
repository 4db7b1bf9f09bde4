"""Exports to a folder and a bucket: whole or not at all, private, and refused with a reason."""

import csv
import io
import stat
from pathlib import Path

import pytest
from pyarrow import parquet
from pydicom import dcmread

from db.exports import export
from db.session import in_transaction
from mammo.reports.contents import NOTICE
from nightread.errors import ConfigurationError, NightreadError, Refused, ServiceError, UsageError
from nightread.export.kinds import Kind
from nightread.export.tables import FINDINGS, STUDIES, tables
from nightread.export.targets import Bucket, Folder, Peer, Target, Web, parse
from nightread.exporting import send
from tests.mammo.reports.cases import errors
from tests.mammo.reports.tid4000 import violations
from tests.nightread.export.conftest import CASES, NAME, RELEASE, World

DICOM = (Kind.CAD_SR, Kind.GSPS, Kind.SC)
TABLES = (Kind.CSV, Kind.PARQUET)


@pytest.mark.parametrize("kind", DICOM)
@pytest.mark.parametrize("case", ["none", "one", "many", "failed"])
def test_every_file_is_free_of_errors_and_its_owners_alone(
    world: World, tmp_path: Path, kind: Kind, case: str
) -> None:
    out = tmp_path / "out"
    sent = send([world.uids[case]], kind, str(out), world.settings)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {str(path.relative_to(out)) for path in files} == {one.name for one in sent.objects}
    for path in files:
        assert errors(path) == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.read_bytes()[:128] == bytes(128)
        read = dcmread(path)
        assert NOTICE in read.SeriesDescription
        assert "base-test" in read.SoftwareVersions
        assert str(read.PatientName) == NAME
    assert {one.release for one in sent.objects} == {RELEASE}


def test_a_second_export_is_the_same_byte_for_byte(world: World, tmp_path: Path) -> None:
    for kind in DICOM:
        first = send([world.uids["many"]], kind, str(tmp_path / "1"), world.settings)
        second = send([world.uids["many"]], kind, str(tmp_path / "2"), world.settings)
        assert first.objects == second.objects
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*.dcm"))
    assert len(files) == 6
    for path in files:
        assert (tmp_path / "1" / path).read_bytes() == (tmp_path / "2" / path).read_bytes()


def test_the_report_says_what_the_images_say_of_themselves(world: World, tmp_path: Path) -> None:
    uid = world.uids["one"]
    send([uid], Kind.CAD_SR, str(tmp_path), world.settings)
    report = dcmread(tmp_path / "s_one" / "cad-sr.dcm")
    source = dcmread(io.BytesIO(world.files[f"{uid}.1"]))
    assert violations(report) == []
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber"):
        assert report[keyword].value == source[keyword].value
    library = report.ContentSequence[1].ContentSequence
    listed = {image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for image in library}
    assert listed == {f"{uid}.{n}" for n in range(1, 5)}


def test_a_bucket_holds_what_a_folder_would(world: World, tmp_path: Path) -> None:
    for kind in Kind:
        sent = send([world.uids["one"]], kind, "s3://exports/night", world.settings).objects
        send([world.uids["one"]], kind, str(tmp_path), world.settings)
        for one in sent:
            held = world.s3.get_object(Bucket="exports", Key=f"night/{one.name}")["Body"].read()
            assert held == (tmp_path / one.name).read_bytes()


def test_a_login_that_only_reads_is_told_so(world: World) -> None:
    reader = world.settings.model_copy(update={"export_s3_credentials_file": None})
    with pytest.raises(ServiceError, match="NIGHTREAD_EXPORT_S3_CREDENTIALS_FILE"):
        send([world.uids["one"]], Kind.CAD_SR, "s3://exports/x", reader)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("pending", "No release has spoken of the study s_pending yet"),
        ("mixed", "images that contradict one another"),
        ("unknown", "There is no study '9.9.9' in the index"),
    ],
)
@pytest.mark.parametrize("kind", DICOM)
def test_what_can_t_go_out_in_a_patients_name_is_refused_with_a_reason(
    world: World, tmp_path: Path, kind: Kind, case: str, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        send([world.uids.get(case, "9.9.9")], kind, str(tmp_path), world.settings)
    assert not [*tmp_path.rglob("*.dcm")]


def test_nothing_is_sent_when_one_of_several_studies_is_unknown(
    world: World, tmp_path: Path
) -> None:
    with pytest.raises(Refused):
        send([world.uids["one"], "9.9.9"], Kind.CAD_SR, str(tmp_path), world.settings)
    assert not [*tmp_path.rglob("*.dcm")]


def test_an_image_that_changed_since_is_refused(world: World, tmp_path: Path) -> None:
    """A box would lie on other pixels than those that it was found in."""
    key = "export/many/1.dcm"
    before = world.s3.get_object(Bucket="archive", Key=key)["Body"].read()
    try:
        world.s3.put_object(Bucket="archive", Key=key, Body=before[:-2] + b"\x01\x02")
        with pytest.raises(Refused, match="gone or changed since it was screened"):
            send([world.uids["many"]], Kind.CAD_SR, str(tmp_path), world.settings)
        world.s3.delete_object(Bucket="archive", Key=key)
        with pytest.raises(Refused, match="gone or changed since it was screened"):
            send([world.uids["many"]], Kind.CAD_SR, str(tmp_path), world.settings)
    finally:
        world.s3.put_object(Bucket="archive", Key=key, Body=before)


def test_a_patient_whose_identity_was_erased_gets_no_nameless_report(
    world: World, tmp_path: Path
) -> None:
    from sqlalchemy import text  # noqa: PLC0415 -- only here

    with world.engine.connect() as connection, connection.begin() as transaction:
        held = connection.execute(
            text("DELETE FROM identity.patients WHERE pseudonym = 'p_one' RETURNING *")
        ).mappings().one()  # fmt: skip
        transaction.commit()
    try:
        with pytest.raises(Refused, match="Nothing goes out without a name"):
            send([world.uids["one"]], Kind.CAD_SR, str(tmp_path), world.settings)
    finally:
        with world.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO identity.patients (pseudonym, patient_name, patient_id, issuer,"
                    " birth_date, sex) VALUES (:pseudonym, :patient_name, :patient_id, :issuer,"
                    " :birth_date, :sex)"
                ),
                dict(held),
            )


@pytest.mark.parametrize(
    ("kind", "to", "error"),
    [
        (Kind.CSV, "PACS@host:104", UsageError),
        (Kind.PARQUET, "https://pacs.example/dicom-web", UsageError),
        (Kind.CAD_SR, "ftp://host/x", UsageError),
        (Kind.CAD_SR, "https://user:word@pacs.example/dicom-web", UsageError),
        (Kind.CAD_SR, "PACS@host:99999", UsageError),
        (Kind.CAD_SR, "s3://", UsageError),
        (Kind.CAD_SR, "/dev/null/x", UsageError),
        (Kind.CAD_SR, " ", UsageError),
    ],
)
def test_a_wrong_target_is_wrong_usage(
    world: World, kind: Kind, to: str, error: type[NightreadError]
) -> None:
    with pytest.raises(error):
        send([world.uids["one"]], kind, to, world.settings)


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("out", Folder(Path("out"))),
        ("/srv/a@b/c", Folder(Path("/srv/a@b/c"))),
        ("s3://b/p", Bucket("b", "p/")),
        ("s3://b/p/", Bucket("b", "p/")),
        ("s3://b", Bucket("b", "")),
        ("https://h:8042/dicom-web/", Web("https://h:8042/dicom-web")),
        ("PACS@pacs.example:11112", Peer("PACS", "pacs.example", 11112)),
        ("P A@h:1", Folder(Path("P A@h:1"))),  # no AE title has blanks inside
        ("PACS@[::1]:104", Peer("PACS", "::1", 104)),
    ],
)
def test_where_to_is_read_from_its_form(to: str, target: Target) -> None:
    assert parse(to) == target


def test_without_the_identity_login_no_report_is_made(world: World, tmp_path: Path) -> None:
    without = world.settings.model_copy(update={"identity_database_url": None})
    with pytest.raises(ConfigurationError, match="NIGHTREAD_IDENTITY_DATABASE_URL is not set"):
        send([world.uids["one"]], Kind.CAD_SR, str(tmp_path), without)
    assert send([world.uids["one"]], Kind.CSV, str(tmp_path), without).objects


ALL = [case for case in CASES if case != "pending"]


def test_a_table_has_a_row_for_every_study_scored_or_not(world: World, tmp_path: Path) -> None:
    send([world.uids[case] for case in ALL], Kind.CSV, str(tmp_path), world.settings)
    with (tmp_path / "studies.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["study"] for row in rows] == [f"s_{case}" for case in ALL]
    by_study = {row["study"]: row for row in rows}
    assert by_study["s_dead"]["reason"] == "ALL_QUARANTINED"
    assert by_study["s_mixed"]["reason"] == "MIXED_PATIENTS"
    assert (by_study["s_failed"]["analysed"], by_study["s_failed"]["failed"]) == ("3", "1")
    assert by_study["s_one"]["score"] == "8"
    assert {row["release_digest"] for row in rows} == {RELEASE}
    assert {row["notice"] for row in rows} == {NOTICE}
    with (tmp_path / "findings.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["study"] for row in found].count("s_many") == 6
    assert len(found) == 8


def test_parquet_says_what_csv_says(world: World, tmp_path: Path) -> None:
    studies = [world.uids[case] for case in ALL]
    for kind in TABLES:
        send(studies, kind, str(tmp_path), world.settings)
    for name, columns in (("studies", STUDIES), ("findings", FINDINGS)):
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        assert table.column_names == [*columns]
        assert table.schema.metadata[b"notice"] == NOTICE.encode()
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        there = table.to_pylist()
        assert len(there) == len(rows)
        for row, cells in zip(there, rows, strict=True):
            for column, value in row.items():
                text = value.isoformat() if hasattr(value, "isoformat") else value
                assert cells[column] == ("" if text is None else str(text))


def test_a_table_holds_pseudonyms_alone(world: World, tmp_path: Path) -> None:
    studies = [world.uids[case] for case in ALL]
    for kind in TABLES:
        send(studies, kind, str(tmp_path), world.settings)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for planted in (NAME.encode(), b"Planted", b"id-one", b"1.2.826", b"2026-11-24", b"A-one"):
        assert planted not in held


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", " ="])
def test_no_cell_is_a_formula(world: World, lead: str) -> None:
    from dataclasses import replace  # noqa: PLC0415 -- only here

    study = in_transaction(world.engine, lambda session: export(session, world.uids["one"]))
    evil = f'{lead}cmd|"/c calc"!A1'
    (finding,) = study.findings
    hostile = replace(study, site=evil, findings=(replace(finding, location=evil),))
    for made, column in zip(tables(Kind.CSV, [hostile]), ("site", "location"), strict=True):
        (row,) = csv.DictReader(io.StringIO(made.data.decode(), newline=""))
        assert row[column] == f"'{evil}"
