"""The main job on real services, from an archive in S3 to the worklist."""

import re
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from mammo import phantoms
from nightread.shapes import ScreenDocument, StatusDocument, WorklistDocument
from tests.calls import adds_up, phantom_files

pytestmark = pytest.mark.timeout(170)


@pytest.fixture(scope="module")
def screened(nightread, put):
    """Three phantoms, screened once: the prefix, their truth, the run's document."""
    prefix = put("three", phantom_files(3, seed=11))
    called = nightread("screen", prefix, "--json")
    assert called.code == 0, called.err
    return prefix, phantoms.plan(3, 11), called.json


def test_every_study_is_scored_and_everything_is_accounted_for(screened) -> None:
    _, _, document = screened
    ScreenDocument.model_validate(document)
    adds_up(document)
    assert document["objects"]["listed"] == 12
    assert document["reasons"] == {"OK": 12}
    assert document["studies"]["scored"] == document["studies"]["screened_now"] == 3


def test_every_study_stands_in_the_worklist_with_both_breasts(screened, nightread) -> None:
    _, plans, document = screened
    page = nightread("worklist", "--limit", "1000", "--json")
    WorklistDocument.model_validate(page.json)
    items = {item["study_uid"]: item for item in page.json["items"]}
    for plan in plans:
        item = items[plan.study_uid]
        assert item["missing_views"] == []
        assert 1 <= item["score"] <= 10
        assert item["probability"] == max(item["breasts"][s]["probability"] for s in "LR")
        assert item["release"] == document["release"]


def test_findings_lie_in_the_image_they_name(screened, nightread) -> None:
    _, plans, _ = screened
    sizes = {
        image.sop_instance_uid: image.pixels.shape
        for plan in plans
        for image in phantoms.render(plan, phantoms.Resolution.WORKING)
    }
    page = nightread("worklist", "--limit", "1000", "--json").json
    looked_at = 0
    for item in page["items"]:
        for finding in item["findings"]:
            if finding["sop_instance_uid"] in sizes:
                looked_at += 1
                rows, columns = sizes[finding["sop_instance_uid"]]
                x0, y0, x1, y1 = finding["box"]
                assert 0 <= x0 < x1 <= columns
                assert 0 <= y0 < y1 <= rows
    assert looked_at > 0


def test_the_second_run_does_nothing_and_says_so(screened, nightread) -> None:
    prefix, _, _ = screened
    called = nightread("screen", prefix)
    assert called.code == 0
    assert "Nothing to do: all 3 studies are current" in called.out
    again = nightread("screen", prefix, "--json").json
    adds_up(again)
    assert again["studies"]["screened_now"] == 0
    assert again["studies"]["already_current"] == 3


def test_status_tells_how_the_last_run_ended(screened, nightread) -> None:
    called = nightread("status", screened[2]["run"], "--json")
    document = StatusDocument.model_validate(called.json)
    assert document.state == "finished"
    assert document.studies.scored == 3


def test_the_worklist_pages_through_every_study_once(screened, nightread) -> None:
    whole = [
        i["study_uid"] for i in nightread("worklist", "--limit", "1000", "--json").json["items"]
    ]
    paged, cursor = [], []
    while True:
        page = nightread("worklist", "--limit", "2", "--json", *cursor).json
        paged += [item["study_uid"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]
    assert paged == whole


def test_the_real_archive_gets_its_manifests_verdicts(nightread, put, shared: Path) -> None:
    folder = shared / "dicom-mg" if (shared / "dicom-mg").is_dir() else shared / "data/dicom-mg"
    rows = re.findall(
        r"^\| (\S+\.dcm) \| (\w+) \| (\w+) \|$", (folder / "MANIFEST.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 6
    prefix = put("real", {path.name: path.read_bytes() for path in folder.iterdir()})
    called = nightread("screen", prefix, "--json")
    assert called.code == 0, called.err
    document = called.json
    adds_up(document)
    expected: dict[str, int] = {"NOT_DICOM": 1}
    for _, _, reason in rows:
        expected[reason] = expected.get(reason, 0) + 1
    assert document["reasons"] == expected
    assert document["objects"] == {"listed": 7, "with_instances": 6, "without_instance": 1}
    for line in map(_json, nightread("inspect", prefix, "--json").out.splitlines()):
        name = line["path"].rsplit("/", 1)[1]
        wanted = next(((v, r) for n, v, r in rows if n == name), ("quarantined", "NOT_DICOM"))
        assert (line["verdict"], line["reason"]) == wanted, name


def test_nothing_but_mammograms_gets_in_and_every_file_has_a_reason(nightread, put) -> None:
    phantom = phantom_files(1, seed=12)
    whole = next(iter(phantom.values()))
    bundled = Path(pydicom.data.__file__).parent / "test_files"
    junk = {
        "notes.txt": b"no image here\n" * 20,
        "empty": b"",
        "truncated.dcm": whole[: len(whole) // 2],
        **{f"pydicom/{path.name}": path.read_bytes() for path in bundled.glob("*.dcm")},
    }
    assert len(junk) > 60
    called = nightread("screen", put("mixed", phantom | junk), "--json")
    assert called.code == 0, called.err
    assert "Traceback" not in called.err
    document = called.json
    adds_up(document)
    assert document["objects"]["listed"] == len(phantom) + len(junk)
    assert document["instances"]["accepted"] == len(phantom)
    assert document["studies"]["scored"] == 1


def test_a_name_in_a_file_or_key_reaches_no_output(nightread, put) -> None:
    name, data = next(iter(phantom_files(1, seed=13).items()))
    planted = "ZAPHOD^BEEBLEBROX"
    file = _renamed(data, planted)
    prefix = put("phi", {f"{planted}/{name}": file, f"{planted}/broken.dcm": file[:3000]})
    called = nightread("screen", prefix)
    listed = nightread("worklist", "--limit", "1000", "--json")
    assert called.code == 0, called.err
    assert "ZAPHOD" not in called.out + called.err + listed.out + listed.err


def _renamed(data: bytes, name: str) -> bytes:
    from io import BytesIO  # noqa: PLC0415

    header = pydicom.dcmread(BytesIO(data))
    header.PatientName = name
    header.PatientID = name
    written = BytesIO()
    header.save_as(written)
    return written.getvalue()


def _json(line: str) -> dict[str, str]:
    import json  # noqa: PLC0415

    parsed: dict[str, str] = json.loads(line)
    return parsed
