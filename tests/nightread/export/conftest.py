"""Studies that were screened: files in a real S3, results in a real Postgres, a real PACS."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import migrate, results
from db.index import IndexedInstance, ListedObject, ObjectOutcome, indexed, listed
from db.plan import PlannedStudy, pending
from db.results import BreastScore, FoundBox, PixelVerdict, StudyResult, UsedInstance
from db.runs import Prefix, Run, register_release, start
from db.session import connect
from mammo import phantoms
from mammo.codes import Kind, Level, NotScored, Reason, Verdict
from mammo.facts import Identity
from mammo.header import parse
from mammo.views import Laterality
from nightread.settings import Settings
from nightread.stack import seaweedfs
from nightread.stack.ports import draw
from nightread.stack.proofs import s3_client
from nightread.stack.throwaway import S3
from nightread.stack.wait import until
from tests.db.archive import PLAIN, instance

RELEASE = "a" * 64
PREFIX = Prefix(seaweedfs.ARCHIVE, "export/")
NAME = "Planted^Näme"
CASES = ("none", "one", "many", "failed", "dead", "pending", "mixed")  # studies, by what they are


class World(NamedTuple):
    """What a command finds."""

    settings: Settings
    engine: Engine
    s3: Any  # of the administrator
    uids: dict[str, str]  # Study Instance UIDs by what the study is
    files: dict[str, bytes]  # by SOP Instance UID
    folder: Path


@pytest.fixture(scope="session")
def _views() -> list[Dataset]:
    """Four views of a phantom."""
    (plan,) = phantoms.plan(1, 11)
    return [
        dcmread(BytesIO(phantoms.encode(image)))
        for image in phantoms.render(plan, phantoms.Resolution.WORKING)
    ]


@pytest.fixture(scope="session")
def world(
    postgres_url: str, s3: S3, _views: list[Dataset], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A study of each of CASES, all of whose images are the same phantom's."""
    folder = tmp_path_factory.mktemp("export")
    owner = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with owner.connect() as connection:
        connection.execute(text("CREATE DATABASE exports"))
    url = make_url(postgres_url).set(database="exports").render_as_string(hide_password=False)
    migrate.upgrade(url)
    engine = connect(url)
    admin = s3_client(
        s3.endpoint_url, seaweedfs.read_credentials(s3.credentials_file, seaweedfs.ADMIN)
    )
    admin.create_bucket(Bucket="exports")
    writer = folder / "writer"
    login = seaweedfs.read_credentials(s3.credentials_file, seaweedfs.ADMIN)
    writer.write_text(
        f"[default]\naws_access_key_id={login.access_key}\n"
        f"aws_secret_access_key={login.secret_key}\n"
    )
    settings = Settings(
        database_url=url,
        identity_database_url=url,
        s3_endpoint_url=s3.endpoint_url,
        s3_region=s3.region,
        s3_credentials_file=s3.credentials_file,
        export_s3_credentials_file=writer,
    )
    uids = {case: f"1.2.826.0.1.{nth}" for nth, case in enumerate(CASES, 1)}
    files: dict[str, bytes] = {}
    with Session(engine) as session:
        register_release(session, RELEASE, "base-test", {"name": "base-test"})
        run = start(session, PREFIX, RELEASE, "0.1.0+abc", "host:1")
        for case in CASES:
            files |= _put(session, run, admin, _views, case, uids[case])
        for case in CASES[:-2]:
            (plan,) = (p for p in pending(session, run.id, 100) if p.study_uid == uids[case])
            results.record(session, run.id, _said(case, plan, files))
        _mix(session, uids["mixed"], run)
        session.commit()
    yield World(settings, engine, admin, uids, files, folder)
    engine.dispose()
    owner.dispose()


def _put(
    session: Session, run: Run, admin: Any, views: list[Dataset], case: str, uid: str
) -> dict[str, bytes]:
    """A study's files, in S3 and in the index."""
    files = {}
    for nth, view in enumerate(views, 1):
        view.StudyInstanceUID = uid
        view.SeriesInstanceUID = f"{uid}.0.{nth % 2}"
        view.SOPInstanceUID = view.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{nth}"
        view.AccessionNumber, view.StudyTime = f"A-{case}", "081500"
        view.PatientName, view.PatientID = NAME, f"id-{case}"
        out = BytesIO()
        dcmwrite(out, view, enforce_file_format=True)
        data = files[f"{uid}.{nth}"] = out.getvalue()
        key = f"{PREFIX.key}{case}/{nth}.dcm"
        put = admin.put_object(Bucket=PREFIX.bucket, Key=key, Body=data)
        facts = parse(data, len(data)).facts
        assert facts is not None
        (ref,) = listed(session, run.id, PREFIX.bucket, [ListedObject(key, put["ETag"], len(data))])
        held: IndexedInstance = replace(
            instance(1, 1, view=(str(facts.laterality), str(facts.view))),
            sop_instance_uid=facts.sop_instance_uid,
            study_uid=uid,
            series_uid=facts.series_instance_uid,
            study_pseudonym=f"s_{case}",
            patient_pseudonym=f"p_{case}",
            transfer_syntax=facts.transfer_syntax,
            facts=facts.as_dict(),
            rule_version=PLAIN.rule_version,
            identity=Identity(f"id-{case}", "hospital", NAME, "19600229", "F"),
        )
        indexed(session, [ObjectOutcome(ref.id, None, (held,))])
    return files


def _said(case: str, plan: PlannedStudy, files: dict[str, bytes]) -> StudyResult:
    if case == "dead":
        return StudyResult(
            study_id=plan.id,
            fingerprint=plan.fingerprint,
            level=Level.NOT_SCORED,
            reason=NotScored.ALL_QUARANTINED,
            verdicts=tuple(
                PixelVerdict(one.id, Verdict.QUARANTINED, Reason.DECODE_FAILED, "", ())
                for one in plan.instances
            ),
        )
    looked = plan.instances[:-1] if case == "failed" else plan.instances
    verdicts = [
        PixelVerdict(one.id, Verdict.ACCEPTED, Reason.OK, "", (), digest(files, one))
        for one in looked
    ]
    verdicts += [
        PixelVerdict(one.id, Verdict.QUARANTINED, Reason.DECODE_CRASHED, "", ())
        for one in plan.instances[len(looked) :]
    ]
    boxes = {"none": 0, "one": 1, "failed": 1, "many": 6}[case]
    shape = plan.instances[0].facts["rows"], plan.instances[0].facts["columns"]
    return StudyResult(
        study_id=plan.id,
        fingerprint=plan.fingerprint,
        level=Level.SOON,
        score=8,
        probability=0.25,
        left=BreastScore(8, 0.25),
        right=BreastScore(2, 0.01),
        missing_views=("RMLO",) if case == "failed" else (),
        findings=tuple(_box(nth, looked[nth % len(looked)], shape) for nth in range(boxes)),
        used=tuple(UsedInstance(one.sop_instance_uid, digest(files, one)) for one in looked),
        verdicts=tuple(verdicts),
    )


def digest(files: dict[str, bytes], one: Any) -> str:
    return sha256(files[one.sop_instance_uid]).hexdigest()


def _box(nth: int, one: Any, shape: tuple[int, int]) -> FoundBox:
    rows, columns = shape
    x, y = columns * (0.2 + 0.08 * nth), rows * (0.3 + 0.07 * nth)
    return FoundBox(
        one.sop_instance_uid,
        Laterality(one.laterality),
        one.view,
        (x, y, x + columns / 12, y + rows / 14),
        Kind.CALCIFICATION if nth % 2 else Kind.MASS,
        0.25 - nth / 40,
        8 - nth,
        "middle third, upper half",
    )


def _mix(session: Session, uid: str, run: Run) -> None:
    """A second patient comes under the study: it is closed without a look at a pixel."""
    (ref,) = listed(session, run.id, PREFIX.bucket, [ListedObject("export/mixed/9", "e", 1)])
    other = replace(
        instance(1, 1),
        sop_instance_uid=f"{uid}.9",
        study_uid=uid,
        study_pseudonym="s_mixed",
        patient_pseudonym="p_other",
        rule_version=PLAIN.rule_version,
    )
    indexed(session, [ObjectOutcome(ref.id, None, (other,))])
    from db.plan import close_unscorable  # noqa: PLC0415 -- only here

    assert close_unscorable(session, run.id) == {NotScored.MIXED_PATIENTS: 1}


@dataclass(frozen=True)
class Orthanc:
    """A PACS that runs."""

    web: str
    dicomweb: str
    peer: str  # AET@host:port
    password_file: Path

    def held(self, sop_instance_uid: str) -> list[bytes]:
        """The files that it holds of an instance."""
        found = self.ask("POST", "/tools/lookup", data=sop_instance_uid).json()
        return [self.ask("GET", f"{one['Path']}/file").content for one in found]

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        user, _, word = self.password_file.read_text().strip().partition(":")
        answer = requests.request(
            method, self.web + path, auth=(user, word), timeout=20, proxies={"http": ""}, **more
        )
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc with its DICOMweb plugin, from Debian's packages."""
    program = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    plugin = next(Path("/usr").glob("share/orthanc/plugins/libOrthancDicomWeb.so"), None)
    if program is None or plugin is None:
        pytest.skip(
            "environment: Orthanc is not installed (apt-get install orthanc orthanc-dicomweb)"
        )
    folder = tmp_path_factory.mktemp("orthanc")
    web, dicom = draw(2)
    login = folder / "login"
    login.write_text("nightread:no-secret\n")
    settings = folder / "orthanc.json"
    settings.write_text(
        json.dumps(
            {
                "Name": "nightread",
                "StorageDirectory": str(folder / "db"),
                "IndexDirectory": str(folder / "db"),
                "HttpPort": web,
                "DicomAet": "PACS",
                "DicomPort": dicom,
                "DicomCheckCalledAet": True,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": True,
                "RegisteredUsers": {"nightread": "no-secret"},
                "Plugins": [str(plugin)],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, str(settings)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{web}"
    pacs = Orthanc(url, f"{url}/dicom-web", f"PACS@127.0.0.1:{dicom}", login)

    def answers() -> bool:
        try:
            pacs.ask("GET", "/system")
        except requests.RequestException:
            return server.poll() is not None
        return True

    try:
        until(answers, 30)
        assert server.poll() is None, (folder / "log").read_text()[-2000:]
        yield pacs
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
