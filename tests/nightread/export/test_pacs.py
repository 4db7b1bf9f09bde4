"""A real PACS takes what is exported, holds it bit for bit, and the same again once."""

import ssl
import subprocess
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest
from pydicom import dcmread
from sqlalchemy import text

from nightread.errors import ConfigurationError, NightreadError, Refused, ServiceError
from nightread.export.kinds import Kind
from nightread.exporting import send
from nightread.stack.ports import draw
from tests.mammo.reports.tid4000 import violations
from tests.nightread.export.conftest import NAME, Orthanc, World

SCORED = ["none", "one", "many", "failed"]
OBJECTS = {Kind.CAD_SR: 4, Kind.GSPS: 15, Kind.SC: 4}  # a failed view has no state


@pytest.mark.parametrize("way", ["stow", "c-store"])
@pytest.mark.parametrize("kind", OBJECTS)
def test_what_the_pacs_holds_is_what_was_made(
    world: World, orthanc: Orthanc, tmp_path: Path, kind: Kind, way: str
) -> None:
    studies = [world.uids[case] for case in SCORED]
    to = orthanc.dicomweb if way == "stow" else orthanc.peer
    settings = world.settings.model_copy(
        update={"dicomweb_credentials_file": orthanc.password_file}
    )
    for _ in range(2):  # a second time changes nothing
        sent = send(studies, kind, to, settings).objects
    assert len(sent) == OBJECTS[kind]
    send(studies, kind, str(tmp_path), settings)
    for one in sent:
        assert one.sop_instance_uid is not None
        (held,) = orthanc.held(one.sop_instance_uid)
        there, here = dcmread(BytesIO(held)), dcmread(tmp_path / one.name)
        assert there == here
        assert there.StudyInstanceUID in studies
        assert str(there.PatientName) == NAME
        assert there.AccessionNumber.startswith("A-")
        if kind is Kind.CAD_SR:
            assert violations(there) == []


def test_a_study_of_which_nothing_could_be_analysed_is_reported_too(
    world: World, orthanc: Orthanc
) -> None:
    (sent,) = send([world.uids["dead"]], Kind.CAD_SR, orthanc.peer, world.settings).objects
    assert sent.sop_instance_uid is not None
    (held,) = orthanc.held(sent.sop_instance_uid)
    report = dcmread(BytesIO(held))
    assert violations(report) == []
    assert report.ContentSequence[2].ConceptCodeSequence[0].CodeValue == "111245"


@pytest.mark.parametrize("way", ["folder", "c-store"])
def test_a_number_that_dicom_does_not_allow_goes_out_and_reaches_no_warning(
    world: World,
    orthanc: Orthanc,
    tmp_path: Path,
    way: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Patient ID has 64 characters at most; pydicom warns of a longer one, and quotes it."""
    change = text("UPDATE identity.patients SET patient_id = :to WHERE pseudonym = 'p_one'")
    with world.engine.begin() as connection:
        connection.execute(change, {"to": "Planted" * 12})
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            to = str(tmp_path) if way == "folder" else orthanc.peer
            assert send([world.uids["one"]], Kind.CAD_SR, to, world.settings).objects
        assert not [one for one in said if "Planted" in str(one.message)]
        assert caplog.records == []
    finally:
        with world.engine.begin() as connection:
            connection.execute(change, {"to": "id-one"})


def test_a_wrong_login_is_told_without_the_password(
    world: World, orthanc: Orthanc, tmp_path: Path
) -> None:
    wrong = tmp_path / "login"
    wrong.write_text("nightread:hunter2")
    settings = world.settings.model_copy(update={"dicomweb_credentials_file": wrong})
    with pytest.raises(ServiceError, match="refused the login") as error:
        send([world.uids["one"]], Kind.CAD_SR, orthanc.dicomweb, settings)
    assert "hunter2" not in str(error.value)


def test_another_path_of_the_server_is_told(world: World, orthanc: Orthanc) -> None:
    settings = world.settings.model_copy(
        update={"dicomweb_credentials_file": orthanc.password_file}
    )
    with pytest.raises(ServiceError, match="answered 404: check that the URL is its DICOMweb root"):
        send([world.uids["one"]], Kind.CAD_SR, f"{orthanc.web}/elsewhere", settings)


def test_another_title_is_rejected(world: World, orthanc: Orthanc) -> None:
    wrong = orthanc.peer.replace("PACS", "OTHER")
    with pytest.raises(ServiceError, match="rejected the association"):
        send([world.uids["one"]], Kind.CAD_SR, wrong, world.settings)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("PACS@127.0.0.1:{port}", "The PACS PACS at 127.0.0.1:{port} could not be reached"),
        ("http://127.0.0.1:{port}/dicom-web", "could not be reached (ConnectionRefusedError)"),
    ],
)
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # pynetdicom leaves its socket to the collector
)
def test_a_pacs_that_is_not_there_is_a_service_that_can_t_be_reached(
    world: World, to: str, said: str
) -> None:
    (port,) = draw(1)
    with pytest.raises(ServiceError) as error:
        send([world.uids["one"]], Kind.CAD_SR, to.format(port=port), world.settings)
    assert said.format(port=port) in str(error.value)


class Answers(BaseHTTPRequestHandler):
    """A DICOMweb server that answers as its path says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, _, kind = self.path.split("/")[1].partition("-")
        body = b'{"00081198": {"vr": "SQ", "Value": [{}]}}' if kind == "failed" else b"{}"
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, made = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", made, "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return key, made


@pytest.fixture
def answering() -> Iterator[str]:
    """The URL of a server without TLS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("200", None),
        ("202", None),
        ("202-failed", Refused),
        ("409-failed", Refused),
        ("401", ServiceError),
        ("302", ServiceError),  # where to, nobody has asked: patients' names are not sent on
        ("503", ServiceError),
    ],
)
def test_stored_is_what_the_server_says_is_stored(
    world: World, answering: str, path: str, error: type[NightreadError] | None
) -> None:
    study = [world.uids["one"]]
    if error is None:
        assert send(study, Kind.CAD_SR, f"{answering}/{path}", world.settings).objects
        return
    with pytest.raises(error):
        send(study, Kind.CAD_SR, f"{answering}/{path}", world.settings)


def test_a_server_proves_who_it_is_before_it_is_sent_anything(
    world: World, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    key, made = certificate
    login = tmp_path / "login"
    login.write_text("Bearer abc.def\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"https://localhost:{server.server_port}/200"
        study = [world.uids["one"]]
        try:
            with pytest.raises(ServiceError, match="SSLCertVerificationError"):
                send(study, Kind.CAD_SR, url, world.settings)
            trusted = world.settings.model_copy(
                update={"dicomweb_ca": made, "dicomweb_credentials_file": login}
            )
            assert send(study, Kind.CAD_SR, url, trusted).objects
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("said", "to", "why"),
    [
        ("user:word", "http://pacs.example/dicom-web", "a login is sent by https:// alone"),
        ("no login", "https://pacs.example/dicom-web", "must hold one line"),
        ("a:b\nc:d", "https://pacs.example/dicom-web", "must hold one line"),
    ],
)
def test_a_login_is_sent_encrypted_or_not_at_all(
    world: World, tmp_path: Path, said: str, to: str, why: str
) -> None:
    login = tmp_path / "login"
    login.write_text(said)
    settings = world.settings.model_copy(update={"dicomweb_credentials_file": login})
    with pytest.raises(ConfigurationError, match=why):
        send([world.uids["one"]], Kind.CAD_SR, to, settings)
