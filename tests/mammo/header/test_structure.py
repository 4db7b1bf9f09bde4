"""What contradicts itself is quarantined, whatever it would have been."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from mammo.codes import Flag, Reason, Verdict
from mammo.header import FIRST_READ, LIMIT, NeedMore, parse

IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, J2K = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.90"
CT, RAW = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66"
OW = b"\xe0\x7f\x10\x00OW\0\0"


def bare(ds: Dataset, *, implicit: bool, little: bool) -> bytes:
    file = BytesIO()
    dcmwrite(file, ds, implicit_vr=implicit, little_endian=little)
    return file.getvalue()


# --- what kind of bytes


@pytest.mark.parametrize(
    "start",
    [
        b"PK\x03\x04",
        bytes(257) + b"ustar\x0000",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07\x00",
    ],
)
def test_an_archive_is_named_so(make: Any, start: bytes) -> None:
    judged = make.object(start, 1000).judged()
    assert (judged.verdict, judged.reason) == (Verdict.QUARANTINED, Reason.ARCHIVE_UNSUPPORTED)


@pytest.mark.parametrize(
    "data", [b"", b"a text\n", b"\xff\xd8\xff\xe0JFIF", bytes(5000), b"\x08\x00"]
)
def test_other_bytes_are_not_dicom(make: Any, data: bytes) -> None:
    header = make.object(data, len(data)).header
    assert (header.facts, header.judgement.reason) == (None, Reason.NOT_DICOM)


def test_elements_that_do_not_ascend_are_not_dicom(make: Any) -> None:
    one, other = b"\x08\x00\x60\x00CS\x02\x00MG", b"\x08\x00\x05\x00CS\x02\x00  "
    assert make.object(one + other, 20).reason is Reason.NOT_DICOM
    assert make.object(other + one, 20).reason is Reason.MISSING_ATTRIBUTE


@pytest.mark.parametrize("preamble", [b"MZ\x90\x00", b"#!/bin/sh\n", b"PK\x03\x04", b"II*\x00"])
def test_a_preamble_may_look_like_another_format(make: Any, preamble: bytes) -> None:
    image = make.image()
    data = preamble.ljust(128, b"\0") + image.prefix[128:]
    assert make.object(data, image.size).reason is Reason.OK


@pytest.mark.parametrize(
    ("implicit", "little", "syntax"),
    [(True, True, IMPLICIT), (False, True, "1.2.840.10008.1.2.1"), (False, False, BIG)],
)
def test_a_data_set_alone_is_read_in_any_encoding(
    make: Any, implicit: bool, little: bool, syntax: str
) -> None:
    data = bare(make.mammogram(), implicit=implicit, little=little)
    facts = make.object(data, len(data)).facts
    assert (facts.transfer_syntax, facts.rows, facts.view) == (syntax, 3328, "CC")


def test_meta_information_without_a_preamble_is_read(make: Any) -> None:
    image = make.image()
    assert make.object(image.prefix[132:], image.size - 132).reason is Reason.OK


def test_meta_information_in_implicit_vr_is_read(make: Any) -> None:
    elements = ((0x0002, b"1.2.840.10008.5.1.4.1.1.1.2\0"), (0x0010, b"1.2.840.10008.1.2.1\0"))
    meta = b"".join(struct.pack("<HHI", 2, tag, len(value)) + value for tag, value in elements)
    data = bytes(128) + b"DICM" + meta + bare(make.mammogram(), implicit=False, little=True)
    facts = make.object(data, len(data)).facts
    assert (facts.transfer_syntax, facts.rows) == ("1.2.840.10008.1.2.1", 3328)


def test_a_missing_transfer_syntax_is_sniffed(make: Any) -> None:
    data = make.encoded(make.mammogram())
    at = data.index(b"\x02\x00\x10\x00UI")
    data = data[:at] + data[at + 8 + data[at + 6] :]
    assert make.object(data, len(data)).facts.transfer_syntax == "1.2.840.10008.1.2.1"


@pytest.mark.parametrize("implicit", [True, False])
def test_a_wrong_transfer_syntax_is_seen_through(make: Any, implicit: bool) -> None:
    stated = "1.2.840.10008.1.2.1" if implicit else IMPLICIT
    start = make.encoded(make.mammogram(), stated)
    meta = start[: 144 + start[140]]
    data = meta + bare(make.mammogram(), implicit=implicit, little=True)
    facts = make.object(data, len(data)).facts
    assert facts.rows == 3328
    assert Flag.W_VR_INVALID in facts.flags


@pytest.mark.parametrize(
    "name", ["no_meta.dcm", "meta_missing_tsyntax.dcm", "ExplVR_LitEndNoMeta.dcm"]
)
def test_pydicoms_files_without_meta_information_end_with_a_reason(make: Any, name: str) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123 -- pydicom hands out a string
        data = file.read()
    assert make.object(data, len(data)).judged().verdict is not Verdict.ACCEPTED


# --- how much is read


def test_too_little_asks_for_the_first_read() -> None:
    with pytest.raises(NeedMore) as more:
        parse(b"x" * 10, 1_000_000)
    assert more.value.length == FIRST_READ


def test_a_long_header_is_read_by_doubling(make: Any) -> None:
    ds = make.mammogram()
    ds.add_new(0x00091010, "OB", bytes(150_000))
    image = make.with_pixels(ds)
    with pytest.raises(NeedMore) as more:
        parse(image.prefix[:FIRST_READ], image.size)
    assert more.value.length == 4 * FIRST_READ
    assert image.reason is Reason.OK


def test_a_header_beyond_the_limit_is_too_large_but_named(make: Any) -> None:
    ds = make.mammogram()
    ds.add_new(0x00291010, "OB", bytes(LIMIT))
    image = make.with_pixels(ds)
    assert image.reason is Reason.HEADER_TOO_LARGE
    assert image.facts.sop_instance_uid == "1.2.3.4"


def test_a_header_says_how_many_bytes_it_took(make: Any) -> None:
    image = make.image()
    assert image.header.length == image.prefix.index(b"\xe0\x7f\x10\x00OW") + 12
    assert make.object(b"no image" * 20, 160).header.length == 0


def test_what_is_said_does_not_depend_on_how_much_was_read(make: Any) -> None:
    ds = make.mammogram()
    ds.add_new(0x00291010, "OB", bytes(LIMIT))
    image = make.with_pixels(ds)
    assert parse(image.prefix, image.size) == image.header


@pytest.mark.parametrize(
    "uid", [RAW, "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.13.1.3"]
)
def test_a_large_object_that_its_class_excludes_is_not_read_on(make: Any, uid: str) -> None:
    ds = make.mammogram(SOPClassUID=uid)
    ds.add_new(0x00420011, "OB", bytes(1000))
    data = make.encoded(ds)
    at = data.index(b"\x42\x00\x11\x00OB\0\0") + 8
    data = data[:at] + struct.pack("<I", 50_000_000) + data[at + 4 : at + 1004]
    prefix = data.ljust(FIRST_READ, b"\0")
    header = parse(prefix, at + 4 + 50_000_000)
    assert header.facts is not None
    assert header.facts.fault is None
    cut = parse(prefix, at + 4 + 40_000_000)
    assert cut.facts is not None
    assert cut.facts.fault is Reason.TRUNCATED


def test_reading_goes_on_until_the_study_is_known(make: Any) -> None:
    ds = make.mammogram(SOPClassUID=RAW)
    ds.add_new(0x00091010, "OB", bytes(100_000))
    data = make.encoded(ds)
    with pytest.raises(NeedMore):
        parse(data[:FIRST_READ], len(data))
    assert make.object(data, len(data)).facts.study_instance_uid == "1.2.3"


# --- pixel data against header and file


def test_the_length_of_native_pixels_must_agree(make: Any) -> None:
    right = 3328 * 2560 * 2
    for length in (right // 2, right - 2, right * 2, right + 20_000):
        assert make.with_pixels(make.mammogram(), length).reason is Reason.PIXEL_LENGTH_MISMATCH


def test_padding_after_native_pixels_is_accepted(make: Any) -> None:
    right = 3328 * 2560 * 2
    judged = make.with_pixels(make.mammogram(), right + 128).judged()
    assert (judged.reason, judged.flags) == (Reason.OK, (Flag.W_TRAILING_BYTES,))
    odd = make.mammogram(Rows=1001, Columns=1001, BitsAllocated=8, BitsStored=8, HighBit=7)
    assert Flag.W_TRAILING_BYTES not in make.with_pixels(odd, 1001 * 1001 + 1).flags


def test_pixels_past_the_end_of_the_file_are_truncated(make: Any) -> None:
    image = make.image()
    assert make.object(image.prefix, image.size - 1).reason is Reason.TRUNCATED


def test_a_compressed_stream_under_a_native_syntax_is_named(make: Any) -> None:
    item = b"\xfe\xff\x00\xe0"
    stream = item + bytes(4) + item + struct.pack("<I", 1000) + b"\xff\x4f\xff\x51" + bytes(996)
    start = make.encoded(make.mammogram())
    data = start + OW + struct.pack("<I", len(stream)) + stream
    judged = make.object(data, len(data)).judged()
    assert judged.reason is Reason.PIXEL_LENGTH_MISMATCH
    assert "JPEG 2000" in judged.detail
    undefined = start + OW + b"\xff\xff\xff\xff" + stream
    assert make.object(undefined, len(undefined)).reason is Reason.PIXEL_LENGTH_MISMATCH


def test_native_pixels_under_a_compressed_syntax_are_quarantined(make: Any) -> None:
    data = make.encoded(make.mammogram(), J2K) + OW + struct.pack("<I", 3328 * 2560 * 2)
    assert make.object(data, len(data) + 3328 * 2560 * 2).reason is Reason.PIXEL_LENGTH_MISMATCH


def test_fragments_are_walked_by_their_lengths(make: Any) -> None:
    ds = make.mammogram()
    assert make.with_fragments(ds, J2K, 4000).judged().flags == ()
    assert make.with_fragments(ds, J2K, 300, 400, 401, 7).reason is Reason.OK
    assert make.with_fragments(ds, J2K, 4000, end=False).flags == (Flag.W_NO_DELIMITER,)
    assert make.with_fragments(ds, J2K).reason is Reason.PIXEL_DATA_MISSING


def test_a_byte_of_padding_after_an_odd_fragment_is_no_fault(make: Any) -> None:
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    odd = make.with_fragments(make.mammogram(), J2K, 401, end=False).prefix + b"\0" + end
    assert make.object(odd, len(odd)).reason is Reason.OK


def test_items_that_are_none_are_no_pixels(make: Any) -> None:
    data = make.encoded(make.mammogram(), J2K) + OW + b"\xff\xff\xff\xff" + bytes(100)
    assert make.object(data, len(data)).reason is Reason.PIXEL_LENGTH_MISMATCH


@pytest.mark.parametrize("lost", [1, 9, 100, 4000, 4009])
def test_a_fragment_past_the_end_of_the_file_is_truncated(make: Any, lost: int) -> None:
    whole = make.with_fragments(make.mammogram(), J2K, 4000, end=False)
    cut = whole.size - lost
    assert make.object(whole.prefix[:cut], cut).reason is Reason.TRUNCATED


def test_a_mammogram_without_pixels_is_quarantined_a_capture_is_excluded(make: Any) -> None:
    for changes, reason in (
        ({}, Reason.PIXEL_DATA_MISSING),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Reason.SOP_SECONDARY_CAPTURE),
    ):
        data = make.encoded(make.mammogram(**changes))
        assert make.object(data, len(data)).reason is reason
    assert make.with_pixels(make.mammogram(), 0).judged().verdict is Verdict.QUARANTINED


def test_structure_goes_before_kind(make: Any) -> None:
    ds = make.mammogram(SOPClassUID=CT, ImageType=["DERIVED", "PRIMARY", "TOMO"])
    assert make.with_pixels(ds).reason is Reason.TOMO_SLICE
    assert make.with_pixels(ds, 1000).reason is Reason.PIXEL_LENGTH_MISMATCH


# --- attributes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": 30_000, "Columns": 30_000}, Reason.TOO_LARGE),
        ({"Rows": 1, "Columns": 1}, Reason.PIXEL_FORMAT),
        ({"Rows": 0}, Reason.PIXEL_FORMAT),
        ({"Columns": None}, Reason.MISSING_ATTRIBUTE),
        ({"BitsStored": None}, Reason.MISSING_ATTRIBUTE),
        ({"PixelRepresentation": None}, Reason.MISSING_ATTRIBUTE),
        ({"PhotometricInterpretation": None}, Reason.MISSING_ATTRIBUTE),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, Reason.PIXEL_FORMAT),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, Reason.PIXEL_FORMAT),
        ({"BitsAllocated": 32}, Reason.PIXEL_FORMAT),
        ({"BitsStored": 17}, Reason.PIXEL_FORMAT),
        ({"HighBit": 16}, Reason.PIXEL_FORMAT),
        ({"PixelRepresentation": 2}, Reason.PIXEL_FORMAT),
        ({"StudyInstanceUID": None}, Reason.MISSING_ATTRIBUTE),
    ],
)
def test_an_attribute_that_pixels_need_is_checked(
    make: Any, changes: dict[str, Any], reason: Reason
) -> None:
    ds = make.mammogram(**changes)
    assert make.with_fragments(ds, J2K, 1000).reason is reason


@pytest.mark.parametrize("frames", [b"1A", b"0 ", b"2 ", b"1.5 ", b"9" * 300])
def test_rubbish_in_number_of_frames_is_quarantined(make: Any, frames: bytes) -> None:
    data = make.with_fragments(make.mammogram(NumberOfFrames=1), J2K, 1000).prefix
    data = data.replace(
        b"\x28\x00\x08\x00IS\x02\x001 ",
        b"\x28\x00\x08\x00IS" + struct.pack("<H", len(frames)) + frames,
    )
    assert make.object(data, len(data)).judged().verdict is Verdict.QUARANTINED


def test_rows_of_four_bytes_are_bounded(make: Any) -> None:
    data = make.with_fragments(make.mammogram(), J2K, 1000).prefix
    for tag in (b"\x28\x00\x10\x00", b"\x28\x00\x11\x00"):
        at = data.index(tag + b"US")
        data = data[:at] + tag + b"UL\x04\x00" + struct.pack("<I", 65_536) + data[at + 10 :]
    assert make.object(data, len(data)).reason is Reason.TOO_LARGE


def test_an_unknown_transfer_syntax_is_not_supported(make: Any) -> None:
    data = make.with_fragments(make.mammogram(), J2K, 1000).prefix
    data = data.replace(J2K.encode(), b"1.2.840.10008.1.2.4.99")
    assert make.object(data, len(data)).reason is Reason.TRANSFER_SYNTAX_UNSUPPORTED


@pytest.mark.parametrize("tag", [b"\x08\x00\x16\x00UI", b"\x08\x00\x18\x00UI"])
def test_file_meta_and_data_set_must_name_one_object(make: Any, tag: bytes) -> None:
    data = make.image().prefix
    at = data.index(tag) + 8
    data = data[:at] + b"1.9" + data[at + 3 :]
    assert make.object(data, make.image().size).reason is Reason.META_CONFLICT


def test_without_an_instance_uid_there_is_no_instance(make: Any) -> None:
    ds = make.mammogram()
    data = bare(ds, implicit=True, little=True).replace(b"\x08\x00\x18\x00", b"\x08\x00\x17\x00")
    header = make.object(data, len(data)).header
    assert (header.facts, header.judgement.reason) == (None, Reason.MISSING_ATTRIBUTE)


def test_without_a_class_nothing_can_be_said(make: Any) -> None:
    data = bare(make.mammogram(SOPClassUID=None), implicit=True, little=True)
    assert make.object(data, len(data)).reason is Reason.MISSING_ATTRIBUTE


# --- hostile


def nested(levels: int, *, end: bool) -> bytes:
    """Sequences of undefined length within each other, explicit VR LE."""
    begin = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * levels + (close * levels if end else b"")


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (nested(2000, end=True), Reason.HEADER_UNREADABLE),
        (nested(2000, end=False), Reason.HEADER_UNREADABLE),
        (nested(10, end=False), Reason.TRUNCATED),
        (b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff", Reason.TRUNCATED),
        (b"\x40\x00\x54\x02UT\0\0\xfe\xff\xff\xff", Reason.TRUNCATED),
        (b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xffgarbage.", Reason.HEADER_UNREADABLE),
        (b"\xfe\xff\x00\xe0\0\0\0\0", Reason.HEADER_UNREADABLE),
        (  # a fragment of undefined length, nested
            b"\x09\x50\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + bytes(20),
            Reason.HEADER_UNREADABLE,
        ),
    ],
)
def test_a_hostile_structure_is_quarantined(make: Any, tail: bytes, reason: Reason) -> None:
    data = make.encoded(make.mammogram(ViewCodeSequence=None, PresentationLUTShape=None)) + tail
    assert make.object(data, len(data)).reason is reason


def test_sequences_as_deep_as_real_ones_are_read(make: Any) -> None:
    data = make.encoded(make.mammogram(ViewCodeSequence=None, PresentationLUTShape=None))
    data += nested(20, end=True)
    assert make.object(data, len(data)).facts.fault is None


@pytest.mark.parametrize(
    ("count", "reason"), [(10_000, Reason.OK), (100_000, Reason.HEADER_UNREADABLE)]
)
def test_a_flood_of_private_elements_is_bounded(make: Any, count: int, reason: Reason) -> None:
    numbers = (struct.pack("<H", n % 65_536) for n in range(count))
    flood = b"".join(b"\x29\x00" + number + b"UN\0\0\0\0\0\0" for number in numbers)
    image = make.image(ViewCodeSequence=None, PresentationLUTShape=None)
    at = image.prefix.index(OW)
    data = image.prefix[:at] + flood + image.prefix[at:]
    assert make.object(data, image.size + len(flood)).reason is reason


def deflated(make: Any, body: bytes) -> Any:
    start = make.encoded(make.mammogram(), DEFLATED)
    meta = start[: 144 + start[140]]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = meta + packer.compress(body) + packer.flush()
    return make.object(data, len(data))


def test_a_deflated_data_set_is_inflated_as_far_as_needed(make: Any) -> None:
    body = bare(make.mammogram(), implicit=False, little=True)
    length = 3328 * 2560 * 2
    assert deflated(make, body + OW + struct.pack("<I", length) + bytes(length)).reason is Reason.OK
    short = deflated(make, body + OW + struct.pack("<I", length) + bytes(1000))
    assert short.reason is Reason.TRUNCATED


def test_a_deflated_bomb_is_bounded(make: Any) -> None:
    body = bare(make.mammogram(ViewCodeSequence=None), implicit=False, little=True)
    bomb = body + b"\x09\x30\x10\x10OB\0\0" + struct.pack("<I", 30_000_000) + bytes(30_000_000)
    assert deflated(make, bomb).judged().verdict is Verdict.QUARANTINED


def test_a_damaged_deflated_data_set_is_unreadable(make: Any) -> None:
    start = make.encoded(make.mammogram(), DEFLATED)
    data = start[: 144 + start[140]] + b"\xff" * 500
    assert make.object(data, len(data)).reason is Reason.HEADER_UNREADABLE


def test_a_cut_deflated_data_set_is_truncated(make: Any) -> None:
    whole = deflated(make, bare(make.mammogram(), implicit=False, little=True))
    cut = whole.size - 100
    assert make.object(whole.prefix[:cut], cut).reason is Reason.TRUNCATED


def test_an_icon_before_the_pixels_is_not_taken_for_them(make: Any) -> None:
    icon = Dataset()
    icon.Rows, icon.Columns, icon.BitsAllocated, icon.SamplesPerPixel = 64, 64, 8, 1
    icon.add_new(0x7FE00010, "OB", bytes(4096))
    image = make.image(IconImageSequence=Sequence([icon]))
    assert (image.reason, image.facts.rows) == (Reason.OK, 3328)
