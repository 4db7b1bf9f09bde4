"""What a night said goes out: screened by the real job, exported by the command, read by others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from nightread.shapes import ExportDocument
from tests.calls import Called, phantom_files
from tests.mammo.reports.cases import errors
from tests.mammo.reports.tid4000 import everything, name, violations

pytestmark = pytest.mark.timeout(170)

BROKEN = "000/RMLO.dcm"


@pytest.fixture(scope="module")
def screened(nightread: Callable[..., Called], put: Callable[..., str]) -> dict[str, Any]:
    """Two studies, of which one has a file that breaks off, by pseudonym."""
    files = phantom_files(2, 29)
    files[BROKEN] = files[BROKEN][: len(files[BROKEN]) * 6 // 10]
    called = nightread("screen", put("export-journey", files), "--json", "--quiet")
    assert called.code == 0, called.err
    uids = {str(dcmread(_file(files[f"{n:03d}/LCC.dcm"])).StudyInstanceUID) for n in range(2)}
    listed = nightread("worklist", "--limit", "1000", "--json").json["items"]
    return {item["pseudonym"]: item for item in listed if item["study_uid"] in uids}


def _file(data: bytes) -> Any:
    from io import BytesIO  # noqa: PLC0415 -- only here

    return BytesIO(data)


def _exported(
    nightread: Callable[..., Called], screened: dict[str, Any], kind: str, to: Path
) -> Iterator[Path]:
    called = nightread("export", *screened, "--as", kind, "--to", str(to), "--json")
    assert called.code == 0, called.err
    said = ExportDocument.model_validate(called.json)
    assert called.err == ""
    yield from (to / one.name for one in said.objects)


def test_a_report_for_each_study_with_what_the_worklist_shows(
    nightread: Callable[..., Called], screened: dict[str, Any], tmp_path: Path
) -> None:
    reports = [dcmread(path) for path in _exported(nightread, screened, "cad-sr", tmp_path)]
    assert len(reports) == len(screened) == 2
    for report in reports:
        assert violations(report) == []
        (item,) = (i for i in screened.values() if i["study_uid"] == report.StudyInstanceUID)
        boxes = [
            (min(x), min(y), max(x), max(y))
            for one in everything(report)
            if name(one) == "111041"
            for x, y in [(one.GraphicData[0::2], one.GraphicData[1::2])]
        ]
        assert boxes == [pytest.approx(f["box"], rel=1e-6) for f in item["findings"]]
        assert str(report.PatientName) != ""
        assert item["release"] in str(
            next(one for one in everything(report) if name(one) == "111003").TextValue
        )
    failed = [value for report in reports for value in _failed(report)]
    assert failed == ["111223"]


def _failed(report: Any) -> list[str]:
    codes = [
        str(one.ConceptCodeSequence[0].CodeValue)
        for one in everything(report)
        if name(one) == "111064"
    ]
    return [code for code in codes if code != "111222"]


@pytest.mark.parametrize(("kind", "files"), [("cad-sr", 2), ("gsps", 7), ("sc", 2)])
def test_dciodvfy_finds_no_error_in_any_of_them(
    nightread: Callable[..., Called],
    screened: dict[str, Any],
    tmp_path: Path,
    kind: str,
    files: int,
) -> None:
    written = list(_exported(nightread, screened, kind, tmp_path))
    assert len(written) == files
    assert [errors(path) for path in written] == [[]] * files


def test_no_output_names_a_patient(
    nightread: Callable[..., Called], screened: dict[str, Any], tmp_path: Path
) -> None:
    for kind in ("cad-sr", "csv"):
        called = nightread("export", *screened, "--as", kind, "--to", str(tmp_path / kind))
        assert called.code == 0
        assert "Research use only, not a medical device" in called.out
        report = next((tmp_path / kind).rglob("*.dcm"), None)
        if report is not None:
            who = dcmread(report)
            planted = [str(who.PatientName), str(who.PatientID), str(who.StudyInstanceUID)]
    written = b"".join(path.read_bytes() for path in (tmp_path / "csv").iterdir())
    for value in planted:
        assert value not in called.out + called.err
        assert value.encode() not in written


def test_exit_codes_as_the_contract_says(
    nightread: Callable[..., Called], screened: dict[str, Any], stack: Any, tmp_path: Path
) -> None:
    (study, *_) = screened
    for code, arguments in (
        (2, (study, "--as", "csv", "--to", "PACS@host:104")),
        (3, (study, "--to", "PACS@127.0.0.1:1")),
        (5, ("1.2.3.4.5", "--to", str(tmp_path))),
    ):
        called = nightread("export", *arguments)
        assert (called.code, called.out) == (code, ""), arguments
        assert "Traceback" not in called.err
    job = {"NIGHTREAD_IDENTITY_DATABASE_URL": str(stack.settings.database_url)}
    called = nightread("export", study, "--to", str(tmp_path), **job)
    assert called.code == 3
    assert "make it a member of nightread_identity" in called.err
