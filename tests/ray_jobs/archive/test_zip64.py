"""Zip64, as zipfile writes it where it must; its limit is lowered so that small archives have it."""

import zipfile

import pytest

from mammo.codes import Reason
from tests.ray_jobs.packing import Stored, dicom, zipped

FILES = [(f"{n}.dcm", dicom(f"1.2.{n}", bytes(900))) for n in range(6)]


@pytest.fixture
def zip64(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Every size and offset above 500 stands in the zip64 records alone."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 500)
    data = zipped(FILES, zipfile.ZIP_STORED, zip64=True)
    assert b"PK\x06\x06" in data
    assert b"PK\x06\x07" in data
    assert data.count(b"\xff\xff\xff\xff") >= 2 * len(FILES)
    return data


def test_members_are_found_by_their_zip64_sizes_and_offsets(zip64: bytes) -> None:
    stored = Stored(zip64)
    assert [(m.name, stored.whole(m)) for m in stored.members("zip")] == FILES


@pytest.mark.slow
def test_more_than_65535_members_are_all_found() -> None:
    stored = Stored(zipped([(str(n), b"") for n in range(66_000)], zipfile.ZIP_STORED))
    names = [member.name for member in stored.members("zip")]
    assert names == [str(n) for n in range(66_000)]


def test_a_zip64_record_that_is_gone_is_a_corrupt_archive(zip64: bytes) -> None:
    spoilt = zip64.replace(b"PK\x06\x06", b"PK\x00\x00")
    (member,) = Stored(spoilt).members("zip")
    assert member.judgement.reason is Reason.ARCHIVE_CORRUPT


def test_a_member_without_its_zip64_sizes_costs_itself_alone(zip64: bytes) -> None:
    at = zip64.rindex(b"\x01\x00", 0, zip64.rindex(b"PK\x06\x06"))
    spoilt = zip64[:at] + b"\x99\x00" + zip64[at + 2 :]
    reasons = [member.judgement.reason for member in Stored(spoilt).members("zip")]
    assert reasons.count(Reason.ARCHIVE_CORRUPT) == 1
    assert len(reasons) == len(FILES)
