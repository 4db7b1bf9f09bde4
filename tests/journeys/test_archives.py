"""The same studies as loose files, in a zip, a tar, a tar.gz and a tar.zst get the same scores."""

import io

import pydicom
import pytest

from mammo import phantoms
from tests.calls import adds_up, phantom_files
from tests.ray_jobs.packing import packed

pytestmark = pytest.mark.timeout(170)

SEED = 41
KINDS = {"zip": "night.zip", "tar": "night.tar", "gzip": "night.tar.gz", "zstd": "night.tar.zst"}


def of_its_own(data: bytes, number: int) -> bytes:
    """The same image as part of another study: its UIDs end otherwise."""
    header = pydicom.dcmread(io.BytesIO(data))
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(header, name, f"{getattr(header, name)[:60]}.{number}")
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    written = io.BytesIO()
    header.save_as(written)
    return written.getvalue()


@pytest.fixture(scope="module")
def screened(nightread, put):
    """One study five times: prefix and the run's document."""
    files = phantom_files(1, seed=SEED)
    objects = {f"loose/{name}": of_its_own(data, 0) for name, data in files.items()}
    for number, (kind, key) in enumerate(KINDS.items(), 1):
        members = [(f"../{name}", of_its_own(data, number)) for name, data in files.items()]
        beside = [("README.txt", b"about these files"), ("inner.zip", packed("zip", []))]
        objects[key] = packed(kind, [*members, *beside])
    objects["letters.zip"] = packed("zip", [("a.txt", b"a"), ("b.txt", b"b")])
    objects["cut.tar.gz"] = packed("gzip", [("a.txt", bytes(9000))])[:60]
    prefix = put("archives", objects)
    called = nightread("screen", prefix, "--json")
    assert called.code == 0, called.err
    return prefix, called.json


def test_all_is_accounted_for(screened) -> None:
    _, document = screened
    adds_up(document)
    assert document["objects"] == {"listed": 10, "with_instances": 8, "without_instance": 2}
    assert document["reasons"] == {
        "OK": 20,
        "NOT_DICOM": 4 + 1,
        "ARCHIVE_NESTED": 4,
        "ARCHIVE_CORRUPT": 1,
    }
    assert document["studies"]["scored"] == document["studies"]["known"] == 5


def test_a_study_has_the_same_result_wherever_it_lies(screened, nightread) -> None:
    items = nightread("worklist", "--limit", "1000", "--json").json["items"]
    (plan,) = phantoms.plan(1, SEED)
    results: dict[str, tuple[object, ...]] = {}
    for item in items:
        study, _, number = item["study_uid"].rpartition(".")
        if study != plan.study_uid[:60]:
            continue  # another test's
        warnings = set(item["warnings"])
        assert ("W_MEMBER_NAME" in warnings) == (number in "1234")
        boxes = [(f["view"], f["box"], f["probability"]) for f in item["findings"]]
        results[number] = (
            item["score"],
            item["probability"],
            item["breasts"],
            boxes,
            sorted(warnings - {"W_MEMBER_NAME"}),
        )
    assert set(results) == set("01234")
    assert all(result == results["0"] for result in results.values())


def test_an_unchanged_archive_is_not_opened_again(screened, nightread) -> None:
    prefix, _ = screened
    called = nightread("screen", prefix)
    assert called.code == 0
    assert "Nothing to do: all 5 studies are current" in called.out


def test_inspect_says_of_each_member_what_became_of_it(screened, nightread) -> None:
    prefix, document = screened
    called = nightread("inspect", prefix, "--header-only", "--json")
    assert called.code == 0, called.err
    reasons = [line.split('"reason":"')[1].split('"')[0] for line in called.out.splitlines()]
    # An archive without an instance has a line for each member, and counts as one object.
    assert reasons.count("OK") == document["reasons"]["OK"]
    assert reasons.count("ARCHIVE_NESTED") == document["reasons"]["ARCHIVE_NESTED"]
