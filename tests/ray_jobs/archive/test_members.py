"""Members are found and read in place, whatever the archive: Python's own modules write and judge."""

import gc
import gzip
import io
import tarfile
import threading
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammo.codes import Flag, Reason
from mammo.header import FIRST_READ
from mammo.verdict import Policy
from ray_jobs.archive.expand import READERS
from ray_jobs.archive.walk import opened
from tests.ray_jobs.packing import KINDS, Stored, dicom, packed, tarred, zipped, zstd

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=120
).filter(lambda name: not name.endswith("/"))
FILES = st.lists(st.tuples(NAMES, st.binary(max_size=3000)), max_size=12)
few = settings(max_examples=60, deadline=None)


@few
@given(FILES, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.booleans())
def test_a_zip_holds_what_zipfile_wrote(
    files: list[tuple[str, bytes]], method: int, zip64: bool
) -> None:
    stored = Stored(zipped(files, method, zip64=zip64))
    members = stored.members("zip")
    assert [(member.name, stored.whole(member)) for member in members] == files


@few
@given(FILES, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.sampled_from(KINDS[1:]))
def test_a_tar_holds_what_tarfile_wrote(
    files: list[tuple[str, bytes]], form: int, kind: str
) -> None:
    tar = tarred(files, form)
    data = {"tar": tar, "gzip": _gzip(tar), "zstd": zstd.compress(tar)}[kind]
    stored = Stored(data)
    members = stored.members(kind)
    with tarfile.open(fileobj=io.BytesIO(tar)) as oracle:
        names = oracle.getnames()
    assert [member.name for member in members] == names
    assert [stored.whole(member) for member in members] == [data for _, data in files]
    assert [member.ordinal for member in members] == list(range(len(files)))


def _gzip(data: bytes) -> bytes:
    """Of two gzip members with zeros behind: both are allowed."""
    middle = len(data) // 2
    return gzip.compress(data[:middle]) + gzip.compress(data[middle:]) + bytes(512)


def test_a_tar_of_the_old_format_and_one_by_ustar_are_read() -> None:
    files = [("a/b.dcm", dicom("1.2")), ("c", b"x" * 700)]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
        tar = bytearray(tarred(files, form))
        if form == tarfile.USTAR_FORMAT:
            stored = Stored(bytes(tar))
        else:  # without magic: the checksum is that of the block without it
            for at in (0, tar.index(b"c\0\0\0", 512)):
                block = tar[at : at + 512]
                block[257:265] = bytes(8)
                block[148:156] = b" " * 8
                block[148:156] = b"%06o\0 " % sum(block)
                tar[at : at + 512] = block
            stored = Stored(bytes(tar))
        assert [(m.name, stored.whole(m)) for m in stored.members("tar")] == files


@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_is_found_under_any_name(kind: str) -> None:
    odd = [
        "../../etc/passwd",
        "/abs/olute",
        "C:\\x.dcm",
        "two\nlines",
        "x" * 65_000,
        "a/../b",
        "\x1b[2J",
    ]
    plain = ["a.dcm", "deep/er/IM0001", "Müller/ü.dcm", "dots..dcm"]
    files = [(name, dicom(f"1.2.{n}")) for n, name in enumerate([*odd, *plain])]
    members = Stored(packed(kind, files)).members(kind)
    assert [m.facts.sop_instance_uid for m in members if m.facts] == [
        f"1.2.{n}" for n in range(len(files))
    ]
    assert [m.name for m in members] == [*odd, *plain]
    flagged = [m.name for m in members if Flag.W_MEMBER_NAME in m.judgement.flags]
    assert flagged == odd


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_instance_has_its_own_reason(kind: str) -> None:
    files = [
        ("README.txt", b"read me"),
        ("empty", b""),
        ("good.dcm", dicom()),
        ("inner.zip", zipped([("x", b"y")])),
        ("inner.tar", tarred([("x", b"y")])),
        ("picture.jpg", b"\xff\xd8\xff\xe0" + bytes(300)),
    ]
    members = Stored(packed(kind, files)).members(kind)
    assert [member.judgement.reason for member in members] == [
        Reason.NOT_DICOM,
        Reason.NOT_DICOM,
        Reason.PIXEL_DATA_MISSING,
        Reason.ARCHIVE_NESTED,
        Reason.ARCHIVE_NESTED,
        Reason.NOT_DICOM,
    ]


def test_folders_are_no_members() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/a", b"a")
    assert [m.name for m in Stored(written.getvalue()).members("zip")] == ["folder/a"]
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.addfile(tarfile.TarInfo("folder/a"))
    assert [m.name for m in Stored(written.getvalue()).members("tar")] == ["folder/a"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_pixels_of_an_open_archive_are_not_read_for_its_headers(kind: str) -> None:
    files = [(f"{n}.dcm", dicom(f"1.2.{n}", bytes(2_000_000))) for n in range(5)]
    data = zipped(files, zipfile.ZIP_STORED) if kind == "zip" else tarred(files)
    stored = Stored(data)
    members = stored.members(kind)
    assert len(members) == 5
    assert stored.bytes_taken < 5 * 2 * FIRST_READ + 200_000  # the zip's end, the tar's read-ahead
    stored.taken.clear()
    assert stored.whole(members[3]) == files[3][1]
    assert len(stored.taken) == 1
    assert stored.bytes_taken == len(files[3][1])


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_small_neighbours_are_got_together(kind: str) -> None:
    files = [(f"{n}.dcm", dicom(f"1.2.{n}", bytes(4000))) for n in range(400)]
    data = zipped(files, zipfile.ZIP_STORED) if kind == "zip" else tarred(files)
    stored = Stored(data)
    assert len(stored.members(kind)) == len(files)
    assert len(stored.taken) < len(files) / 8
    assert stored.bytes_taken < 1.2 * len(data)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_compressed_tar_is_read_exactly_once_with_its_members(kind: str) -> None:
    files = [(f"{n}.dcm", dicom(f"1.2.{n}", bytes([n]) * 300_000)) for n in range(5)]
    stored = Stored(packed(kind, files))
    got = [one.whole() for one in opened(stored.fetch, len(stored.data), kind, Policy())]
    assert got == [data for _, data in files]
    assert stored.bytes_taken == len(stored.data)


def test_archives_written_one_after_the_other_are_both_read() -> None:
    first, second = tarred([("a", b"1")]), tarred([("b", dicom())])
    assert [m.name for m in Stored(first + second).members("tar")] == ["a", "b"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_left_half_way_holds_nothing_up(kind: str) -> None:
    """Its generators end in the garbage collector, wherever that happens to run."""
    files = [(f"{n}.dcm", dicom(f"1.2.{n}", bytes(100))) for n in range(50)]
    stored = Stored(packed(kind, files))
    before = threading.active_count()
    for _ in range(40):
        next(opened(stored.fetch, len(stored.data), kind, Policy()))
        gc.collect(1)  # what was made since: a whole collection takes seconds by now
    assert threading.active_count() <= before + READERS
