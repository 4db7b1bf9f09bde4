"""`inspect` says of each member of an archive what the job would do with it."""

from pathlib import Path

import pytest

from mammo import phantoms
from mammo.prepare import Preparation
from mammo.verdict import Policy
from nightread.inspection import inspect, local_sources
from nightread.shapes import InspectLine
from tests.ray_jobs.packing import KINDS, dicom, packed, zipped


def lines(path: Path, *, header_only: bool = True) -> list[InspectLine]:
    (source,) = local_sources(path)
    return list(inspect(source, Preparation(), Policy(), header_only=header_only))


@pytest.mark.parametrize("kind", KINDS)
def test_each_member_has_a_line(tmp_path: Path, kind: str) -> None:
    inner = zipped([("x", b"y")])
    files = [("README", b"text"), ("../a.dcm", dicom("1.2.5")), ("inner.zip", inner)]
    path = tmp_path / "archive"
    path.write_bytes(packed(kind, files))
    found = [(line.member, line.reason, line.warnings) for line in lines(path)]
    assert found[0] == ("README", "NOT_DICOM", [])
    assert found[1][0] == "../a.dcm"
    assert "W_MEMBER_NAME" in found[1][2]
    assert found[2][:2] == ("inner.zip", "ARCHIVE_NESTED")
    assert all(line.path == str(path) for line in lines(path))


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_of_a_member_are_looked_at(tmp_path: Path, kind: str) -> None:
    (plan,) = phantoms.plan(1, 21)
    image = next(iter(phantoms.render(plan, phantoms.Resolution.WORKING)))
    path = tmp_path / "archive"
    path.write_bytes(packed(kind, [("a.dcm", phantoms.encode(image))]))
    (line,) = lines(path, header_only=False)
    assert line.verdict == "accepted"
    assert line.voi is not None


def test_an_archive_that_holds_nothing_has_one_line_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    path.write_bytes(zipped([]))
    (line,) = lines(path)
    assert (line.member, line.verdict, line.reason) == (None, "quarantined", "NOT_DICOM")


def test_an_archive_that_is_cut_off_says_so_after_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "cut.tar"
    path.write_bytes(packed("tar", [("a.dcm", dicom()), ("b", bytes(5000))])[:3000])
    found = [(line.member, line.reason) for line in lines(path)]
    assert found[-1] == (None, "ARCHIVE_CORRUPT")
    assert found[0][0] == "a.dcm"


@pytest.mark.parametrize("kind", KINDS)
def test_real_files_get_the_same_words_inside_an_archive(
    tmp_path: Path, shared: Path, kind: str
) -> None:
    folder = shared / "data/dicom-mg"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    path = tmp_path / "archive"
    path.write_bytes(packed(kind, [(file.name, file.read_bytes()) for file in files]))
    loose = [line for file in files for line in lines(file)]
    said = {"path", "member", "detail"}
    assert [line.model_dump(exclude=said) for line in lines(path)] == [
        line.model_dump(exclude=said) for line in loose
    ]
