"""Archives that lie, burst or break: a bad member costs itself alone, and nothing raises."""

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammo.codes import Reason
from mammo.verdict import Policy
from ray_jobs.archive import expand
from ray_jobs.archive.expand import RATIO
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.walk import opened
from tests.ray_jobs.packing import KINDS, Stored, dicom, packed, tarred, zipped, zstd

GOOD = ("good.dcm", dicom("1.2.9"))


def reasons(data: bytes, kind: str) -> list[Reason]:
    return [member.judgement.reason for member in Stored(data).members(kind)]


def patched(data: bytes, at: int, fields: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(fields, changed, at, *values)
    return bytes(changed)


def entry(data: bytes, number: int) -> int:
    """Where the central header of a zip's member begins."""
    at = -1
    for _ in range(number + 1):
        at = data.index(b"PK\x01\x02", at + 1)
    return at


def test_a_zip_bomb_is_never_expanded() -> None:
    bomb = zipped([("bomb", bytes(50_000_000)), GOOD])
    tracemalloc.start()
    found = reasons(bomb, "zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Reason.ARCHIVE_BOMB, Reason.PIXEL_DATA_MISSING]
    assert peak < 8_000_000


def test_a_zip_bomb_that_lies_about_its_size_stops_at_it() -> None:
    data = zipped([("bomb", dicom() + bytes(50_000_000))])
    lying = patched(data, entry(data, 0) + 24, "<I", 100_000)
    stored = Stored(lying)
    (member,) = stored.members("zip")
    with pytest.raises(ArchiveFault) as caught:
        stored.whole(member)
    assert caught.value.reason is Reason.ARCHIVE_BOMB


def test_members_that_share_their_bytes_are_a_bomb() -> None:
    data = zipped([("a", bytes(1000)), ("b", bytes(1000)), GOOD])
    first = struct.unpack_from("<I", data, entry(data, 0) + 42)[0]
    shared = patched(data, entry(data, 1) + 42, "<I", first)
    assert sorted(reasons(shared, "zip")) == sorted(
        [Reason.ARCHIVE_BOMB, Reason.NOT_DICOM, Reason.PIXEL_DATA_MISSING]
    )
    quoting = patched(data, entry(data, 0) + 20, "<I", 60)  # reaches into its neighbour
    assert Reason.ARCHIVE_BOMB in reasons(quoting, "zip")


def test_a_stored_member_with_two_sizes_is_corrupt() -> None:
    data = zipped([("a", bytes(1000)), GOOD], zipfile.ZIP_STORED)
    lying = patched(data, entry(data, 0) + 24, "<I", 5000)
    assert reasons(lying, "zip") == [Reason.ARCHIVE_CORRUPT, Reason.PIXEL_DATA_MISSING]


def test_a_deflated_member_that_ends_before_its_size_is_corrupt() -> None:
    data = zipped([("a", bytes(1000)), GOOD])
    lying = patched(data, entry(data, 0) + 24, "<I", 5000)
    assert reasons(lying, "zip") == [Reason.ARCHIVE_CORRUPT, Reason.PIXEL_DATA_MISSING]


def test_a_member_whose_bytes_were_damaged_is_found_out_by_its_checksum() -> None:
    data = zipped([GOOD], zipfile.ZIP_STORED)
    at = data.index(b"1.2.840.10008.5")
    stored = Stored(patched(data, at, "<B", ord("2")))
    (member,) = stored.members("zip")
    with pytest.raises(ArchiveFault) as caught:
        stored.whole(member)
    assert caught.value.reason is Reason.ARCHIVE_CORRUPT


@pytest.mark.parametrize(("bits", "method"), [(1, 8), (0x41, 8), (0, 99), (0x2001, 0)])
def test_an_encrypted_member_is_named_and_its_neighbour_read(bits: int, method: int) -> None:
    data = zipped([("a", b"secret" * 50), GOOD])
    locked = patched(data, entry(data, 0) + 8, "<HH", bits, method)
    assert reasons(locked, "zip") == [Reason.ARCHIVE_ENCRYPTED, Reason.PIXEL_DATA_MISSING]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_is_not_read_is_unsupported(method: int) -> None:
    assert reasons(zipped([("a", bytes(99))], method), "zip") == [Reason.ARCHIVE_UNSUPPORTED]


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o060660, 0o010644])
def test_links_and_devices_in_a_zip_are_unsupported(mode: int) -> None:
    data = zipped([("a", b"/etc/passwd"), GOOD])
    at = entry(data, 0)
    linked = patched(patched(data, at + 4, "<H", 3 << 8 | 20), at + 38, "<I", mode << 16)
    assert reasons(linked, "zip") == [Reason.ARCHIVE_UNSUPPORTED, Reason.PIXEL_DATA_MISSING]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_unsupported(kind: bytes) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        odd = tarfile.TarInfo("odd")
        odd.type, odd.linkname = kind, "../../etc/passwd"
        archive.addfile(odd)
        info = tarfile.TarInfo(GOOD[0])
        info.size = len(GOOD[1])
        archive.addfile(info, io.BytesIO(GOOD[1]))
    assert reasons(written.getvalue(), "tar") == [
        Reason.ARCHIVE_UNSUPPORTED,
        Reason.PIXEL_DATA_MISSING,
    ]


def test_sparse_members_are_unsupported_and_the_rest_is_read() -> None:
    pax = tarfile.TarInfo("sparse")
    pax.size = 600
    pax.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "s", "GNU.sparse.realsize": "9"}
    old = tarfile.TarInfo("old")
    old.type, old.size = tarfile.GNUTYPE_SPARSE, 600
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info in (pax, old):
            archive.addfile(info, io.BytesIO(bytes(600)))
        info = tarfile.TarInfo(GOOD[0])
        info.size = len(GOOD[1])
        archive.addfile(info, io.BytesIO(GOOD[1]))
    unsupported = [Reason.ARCHIVE_UNSUPPORTED] * 2
    assert reasons(written.getvalue(), "tar") == [*unsupported, Reason.PIXEL_DATA_MISSING]


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """One tar header with the size field as given."""
    block = bytearray(512)
    block[: len(name)], block[124 : 124 + len(size)], block[156:157] = name, size, kind
    block[257:265], block[148:156] = b"ustar\x0000", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "block",
    [
        header(b"huge", b"\xff" * 12),  # negative, base 256
        header(b"huge", b"\x80" + b"\xff" * 11),  # 2^88
        header(b"words", b"12z45\0"),
        header(b"pax", b"77777777777\0", b"x"),  # an extended header of 8 GiB
        header(b"pax", b"%011o\0" % 20, b"x") + b"9999 path=x\n".ljust(512, b"\0"),
        header(b"pax", b"%011o\0" % 30, b"x")
        + b"30 size=-99999999999999999999\n".ljust(512, b"\0")
        + header(b"a", b"0"),
        header(b"pax", b"%011o\0" % 12, b"x") + b"12 path=abc\n".ljust(512, b"\0"),  # and no member
        (header(b"p", b"%011o\0" % 12, b"x") + b"12 path=abc\n".ljust(512, b"\0")) * 40,
    ],
)
@pytest.mark.parametrize("kind", ["tar", "gzip"])
def test_a_tar_that_lies_ends_where_it_does_and_what_came_before_stands(
    block: bytes, kind: str
) -> None:
    tar = tarred([GOOD]).rstrip(b"\0")
    tar = tar.ljust(-(-len(tar) // 512) * 512, b"\0") + block + bytes(1024)
    data = tar if kind == "tar" else gzip.compress(tar)
    assert reasons(data, kind) == [Reason.PIXEL_DATA_MISSING, Reason.ARCHIVE_CORRUPT]


def test_a_size_in_a_pax_header_that_goes_beyond_the_archive_is_a_cut_member() -> None:
    record = b"28 size=9000000000000000000\n"
    tar = header(b"p", b"%011o\0" % len(record), b"x") + record.ljust(512, b"\0")
    tar += header(b"a", b"0") + dicom("1.2.7") + bytes(4096)
    members = Stored(tar).members("tar")
    assert [m.facts.sop_instance_uid for m in members if m.facts] == ["1.2.7"]
    assert members[-1].judgement.reason is Reason.ARCHIVE_CORRUPT


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_in_a_compressed_tar_is_passed_and_what_follows_is_read(kind: str) -> None:
    data = packed(kind, [("bomb", bytes(100_000_000)), GOOD])
    tracemalloc.start()
    found = reasons(data, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Reason.ARCHIVE_BOMB, Reason.PIXEL_DATA_MISSING]
    assert peak < 8_000_000


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_compressed_tar_that_expands_without_end_is_given_up(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "FREE", 1 << 24)
    data = packed(kind, [GOOD, ("bomb", bytes(100_000_000)), ("late", GOOD[1])])
    assert RATIO * len(data) + (1 << 24) < 100_000_000
    assert reasons(data, kind) == [Reason.PIXEL_DATA_MISSING, Reason.ARCHIVE_BOMB]


def test_a_gzip_of_something_else_is_unsupported() -> None:
    assert reasons(gzip.compress(dicom() * 3), "gzip") == [Reason.ARCHIVE_UNSUPPORTED]


def test_a_zstd_window_beyond_128_mib_is_unsupported() -> None:
    options = {zstd.CompressionParameter.window_log: 28}
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(tarred([GOOD]) + bytes(1 << 20)) + compressor.flush()
    assert reasons(data, "zstd") == [Reason.ARCHIVE_UNSUPPORTED]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_at_every_length_loses_only_what_is_not_there(kind: str) -> None:
    files = [(f"{n}.dcm", dicom(f"1.2.{n}") + bytes(n * 100)) for n in range(4)]
    data = packed(kind, files)
    for length in range(600, len(data) - 1024 if kind == "tar" else len(data), 211):
        members = Stored(data[:length]).members(kind)
        uids = [m.facts.sop_instance_uid for m in members if m.facts]
        assert uids == [f"1.2.{n}" for n in range(len(uids))]
        assert members[-1].judgement.reason in (Reason.ARCHIVE_CORRUPT, Reason.ARCHIVE_UNSUPPORTED)


def test_a_directory_that_was_cut_or_damaged_gives_what_it_still_lists() -> None:
    data = zipped([GOOD, ("b", b"b"), ("c", b"c")])
    damaged = patched(data, entry(data, 2), "<I", 0)
    assert reasons(damaged, "zip") == [
        Reason.PIXEL_DATA_MISSING,
        Reason.NOT_DICOM,
        Reason.ARCHIVE_CORRUPT,
    ]
    assert reasons(data[:-30], "zip") == [Reason.ARCHIVE_CORRUPT]


def test_a_zip_with_a_comment_that_looks_like_its_end_is_read() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(*GOOD)
        archive.comment = b"PK\x05\x06" + bytes(18) + b"!"
    assert reasons(written.getvalue(), "zip") == [Reason.PIXEL_DATA_MISSING]


def test_compressed_data_that_hold_nothing_are_not_read_to_their_end() -> None:
    """A deflate stream of empty blocks: 40 MB that expand to nothing."""
    empty = b"\0\0\0\xff\xff" * 8_000_000
    data = zipped([("a", b"x" * 70_000)], zipfile.ZIP_STORED)
    data = data.replace(b"x" * 70_000, empty)
    local = patched(patched(data, 8, "<H", 8), 18, "<I", len(empty))
    at = entry(local, 0)
    forged = patched(patched(local, at + 10, "<H", 8), at + 20, "<I", len(empty))
    forged = patched(forged, len(forged) - 6, "<I", at)
    stored = Stored(forged)
    (member,) = stored.members("zip")
    assert member.judgement.reason is Reason.ARCHIVE_CORRUPT
    assert stored.bytes_taken < 4_000_000


def mutated(kind: str, data: st.DataObject) -> None:
    """Every archive ends with verdicts, and a member that can be read has the bytes it states."""
    whole = bytearray(packed(kind, [GOOD, ("b" * 120, b"b" * 700), ("c.dcm", dicom("1.2.5"))]))
    places = st.integers(0, len(whole) - 1)
    for at, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        whole[at] = byte
    cut = data.draw(st.integers(1, len(whole)) | st.just(len(whole)))
    stored = Stored(bytes(whole[:cut]))
    for member in opened(stored.fetch, cut, kind, Policy()):
        try:
            body: bytes | None = member.whole()
        except ArchiveFault:
            body = None
        place = member.read.place
        assert body is None or (place is not None and len(body) == place.size)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_no_mutation_raises_or_gives_what_is_not_there(kind: str, data: st.DataObject) -> None:
    mutated(kind, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_none_of_twenty_thousand_mutations_does(kind: str, data: st.DataObject) -> None:
    mutated(kind, data)


def test_the_texts_of_faults_hold_no_name() -> None:
    planted = "ZAPHOD^BEEBLEBROX"
    spoilt: list[Callable[[bytes], bytes]] = [lambda d: d, lambda d: d[: len(d) // 2]]
    for kind in KINDS:
        for spoil in spoilt:
            data = spoil(packed(kind, [(planted, b"x" * 5000), (planted + "/..", dicom())]))
            for member in Stored(data).members(kind):
                assert planted not in member.judgement.detail
