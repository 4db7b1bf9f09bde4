"""Every transfer syntax gives the values that were stored; what lies about itself gives none."""

import struct
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from mammo.codes import Flag, Reason
from mammo.decode import Decoded, PixelError, decode

RLE = "1.2.840.10008.1.2.5"
JPEG_12 = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
J2K = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"

LOSSLESS = [
    "deflated", "expl-be", "impl-le", "htj2k-201", "htj2k-202", "j2kr", "j2kr-3-fragments-bad-bot",
    "j2kr-3-fragments-empty-bot", "j2kr-codestream16-stored12", "j2kr-jp2box",
    "j2kr-no-sequence-delimiter", "j2kr-odd-item", "jpegls-80", "junk-high-bits", "ljpeg-57", "rle",
]  # fmt: skip
SIGNED = ["signed-12bit", "signed-j2kr"]  # reference - 2048
LOSSY = {"j2ki": 16, "htj2k-203": 63, "jpegls-81-near2": 2}  # measured when they were encoded


def fails(data: bytes) -> Reason:
    with pytest.raises(PixelError) as caught:
        decode(data)
    return caught.value.reason


@pytest.fixture(scope="module")
def reference(syntaxes: Path) -> np.ndarray:
    """By pydicom, native: no codec takes part."""
    return pydicom.dcmread(syntaxes / "crop-expl-le.dcm").pixel_array


def crop(syntaxes: Path, name: str) -> Decoded:
    return decode((syntaxes / f"crop-{name}.dcm").read_bytes())


def test_the_reference_crop_is_what_was_cut(syntaxes: Path, reference: np.ndarray) -> None:
    pixels = crop(syntaxes, "expl-le").pixels
    assert (int(pixels.min()), int(pixels.max()), int(pixels.sum())) == (2038, 2807, 156111047)
    assert np.array_equal(pixels, reference)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_syntax_is_exact(syntaxes: Path, reference: np.ndarray, name: str) -> None:
    pixels = crop(syntaxes, name).pixels
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels, reference)


@pytest.mark.parametrize("name", SIGNED)
def test_signed_values_get_their_sign_back(
    syntaxes: Path, reference: np.ndarray, name: str
) -> None:
    pixels = crop(syntaxes, name).pixels
    assert pixels.dtype == np.int16
    assert np.array_equal(pixels, reference.astype(np.int16) - 2048)


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_syntax_stays_within_its_bound(
    syntaxes: Path, reference: np.ndarray, name: str
) -> None:
    off = np.abs(crop(syntaxes, name).pixels.astype(int) - reference)
    assert 0 < off.max() <= LOSSY[name]


@pytest.mark.parametrize("name", ["NM1_J2KR", "NM1_JLSL", "NM1_JPLL", "NM1_RLE"])
def test_other_encoders_streams_are_exact(syntaxes: Path, name: str) -> None:
    expected = pydicom.dcmread(syntaxes / "nema-NM1_UNC.dcm").pixel_array
    assert np.array_equal(decode((syntaxes / f"nema-{name}.dcm").read_bytes()).pixels, expected)


@pytest.mark.parametrize(
    ("name", "worst", "correlation"), [("J2KI", 101, 0.94), ("JLSN", 4, 0.99), ("JPLY", 36, 0.98)]
)
def test_other_encoders_lossy_streams_resemble_their_source(
    syntaxes: Path, name: str, worst: int, correlation: float
) -> None:
    """A bone scan of few counts, compressed hard: most of it is noise."""
    expected = pydicom.dcmread(syntaxes / "nema-NM1_UNC.dcm").pixel_array.astype(int)
    pixels = decode((syntaxes / f"nema-NM1_{name}.dcm").read_bytes()).pixels
    assert np.abs(pixels - expected).max() <= worst
    assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > correlation


@pytest.mark.parametrize(
    ("name", "shape", "low", "high"),
    [  # as dcmtk decodes them
        ("MR1_JLSL", (512, 512), 0, 4000),
        ("MR1_JPLY", (512, 512), 0, 3970),
        ("XA1_JPLY", (1024, 1024), 0, 556),
    ],
)
def test_streams_that_other_decoders_refuse_are_read(
    syntaxes: Path, name: str, shape: tuple[int, int], low: int, high: int
) -> None:
    pixels = decode((syntaxes / f"nema-{name}.dcm").read_bytes()).pixels
    assert (pixels.shape, int(pixels.min()), int(pixels.max())) == (shape, low, high)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm",
        "MR_small_implicit.dcm", "MR_small_padded.dcm", "MR_small_RLE.dcm",
        "image_dfl.dcm", "examples_overlay.dcm", "ExplVR_BigEnd.dcm", "ExplVR_LitEndNoMeta.dcm",
        "ExplVR_BigEndNoMeta.dcm", "no_meta.dcm",
    ],
)  # fmt: skip
def test_pydicom_sees_the_same_in_its_own_files(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.fail(f"pydicom no longer brings {name}")
    data = Path(path).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset:
            assert fails(data) is Reason.PIXEL_DATA_MISSING
            return
        if int(dataset.get("SamplesPerPixel", 1)) != 1:
            assert fails(data) is Reason.PIXEL_FORMAT
            return
        implicit, little = dataset.original_encoding
        if "TransferSyntaxUID" not in dataset.file_meta:
            native = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
            dataset.file_meta.TransferSyntaxUID = native if little else "1.2.840.10008.1.2.2"
        expected = dataset.pixel_array
    assert np.array_equal(decode(data).pixels, expected)


def bundled(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.fail(f"pydicom no longer brings {name}")
    return Path(path).read_bytes()


@pytest.mark.parametrize("name", ["jp2klossless", "jpeg_ls_lossless", "RLE"])
def test_a_bundled_lossless_file_equals_its_native_original(name: str) -> None:
    expected = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False)).pixel_array
    assert np.array_equal(decode(bundled(f"MR_small_{name}.dcm")).pixels, expected)


def test_an_unsigned_codestream_of_signed_values_gets_its_sign() -> None:
    """Values from pydicom's own tests of this file."""
    pixels = decode(bundled("J2K_pixelrep_mismatch.dcm")).pixels
    expected = [621, 412, 138, -193, -520, -767, -907, -966, -988, -995]
    assert pixels[47:57, 279].tolist() == expected
    assert pixels[0, 0] == -2000


@pytest.mark.parametrize(
    ("name", "low", "high", "total"),
    [("693_J2KI.dcm", -2971, 2836, -2181784), ("JPEG2000.dcm", -30, 245, 3527976)],
)
def test_a_lossy_bundled_file_is_as_pillow_decodes_it(
    name: str, low: int, high: int, total: int
) -> None:
    pixels = decode(bundled(name)).pixels.astype(int)
    assert (pixels.min(), pixels.max(), pixels.sum()) == (low, high, total)


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_twelve_bit_jpeg_is_read(name: str, syntaxes: Path) -> None:
    """The same bone scan as NEMA's, by two encoders; SOS Se = 0 in the first."""
    expected = pydicom.dcmread(syntaxes / "nema-NM1_UNC.dcm").pixel_array
    pixels = decode(bundled(name)).pixels
    assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_neither_preamble_nor_meta_information_is_needed(make, texture, syntax: str) -> None:
    data = make(texture, syntax)
    begin = data.index(b"\x08\x00\x16\x00")  # SOP Class UID, the data set's first element
    assert np.array_equal(decode(data[begin:]).pixels, texture)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MR_truncated.dcm", Reason.TRUNCATED),
        ("badVR.dcm", Reason.PIXEL_FORMAT),
        ("JPEG2000-embedded-sequence-delimiter.dcm", Reason.DIMENSION_MISMATCH),
        ("SC_rgb_jpeg_dcmtk.dcm", Reason.PIXEL_FORMAT),
        ("rtplan.dcm", Reason.PIXEL_DATA_MISSING),
    ],
)
def test_a_bundled_file_that_is_no_image_has_a_reason(name: str, reason: Reason) -> None:
    assert fails(bundled(name)) is reason


def test_a_point_transform_is_undone(real: Path) -> None:
    """Of the decoders around, some are wrong by a factor of 4, one returns a constant."""
    broken = (real / "hologic-dimensions-tomo-slice-broken.dcm").read_bytes()
    assert fails(broken) is Reason.PIXEL_LENGTH_MISMATCH
    native, jpeg = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.70"
    assert struct.pack("<H", len(native)) + native in broken[:600]
    mended = broken.replace(
        struct.pack("<H", len(native)) + native, struct.pack("<H", len(jpeg)) + jpeg, 1
    )
    pixels = decode(mended).pixels
    assert (int(pixels.min()), int(pixels.max()), int(pixels.sum())) == (0, 2964, 1810565732)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("ge-essential-rmlo-jpll", 0, 3471),
        ("siemens-inspiration-stereo-lcc", 27, 4091),
        ("lumisys-film-sc-lmlo-j2ki", 0, 4095),
    ],
)
def test_real_mammograms_have_the_range_that_was_measured(
    real: Path, name: str, low: int, high: int
) -> None:
    decoded = decode((real / f"{name}.dcm").read_bytes())
    assert (int(decoded.pixels.min()), int(decoded.pixels.max())) == (low, high)
    assert decoded.flags == ()


def test_a_memoryview_is_as_good_as_bytes(syntaxes: Path, reference: np.ndarray) -> None:
    data = (syntaxes / "crop-rle.dcm").read_bytes()
    assert np.array_equal(decode(memoryview(data)).pixels, reference)


def test_a_missing_delimiter_is_flagged(make, texture: np.ndarray) -> None:
    stream = imagecodecs.jpeg2k_encode(texture, codecformat="j2k", reversible=True, level=0)
    whole = make(bytes(stream), J2K, Rows=64, Columns=80)
    assert whole.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert decode(whole).flags == ()
    decoded = decode(whole[:-8])
    assert decoded.flags == (Flag.W_NO_DELIMITER,)
    assert np.array_equal(decoded.pixels, texture)


def test_surplus_bytes_are_flagged_and_left_alone(make, texture: np.ndarray) -> None:
    data = make(texture, PixelData=texture.tobytes() + bytes(10))
    assert decode(data).flags == (Flag.W_TRAILING_BYTES,)
    assert np.array_equal(decode(data).pixels, texture)


def test_high_bit_may_stand_higher_than_bits_stored(make, texture: np.ndarray) -> None:
    data = make((texture << 4) | 9, HighBit=15)
    assert np.array_equal(decode(data).pixels, texture)


def test_eight_bits_may_have_an_odd_length(make) -> None:
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    data = make(
        pixels, PixelData=pixels.tobytes() + b"\0", BitsAllocated=8, BitsStored=8, HighBit=7
    )
    decoded = decode(data)
    assert decoded.flags == ()
    assert np.array_equal(decoded.pixels, pixels)


def test_a_smaller_codestream_is_flagged(make) -> None:
    """.70 of 10 bit under a header that says 12: its values are taken as they are."""
    pixels = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80) % 1000
    stream = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=10)
    decoded = decode(make(bytes(stream), JPEG_LOSSLESS, Rows=64, Columns=80))
    assert decoded.flags == (Flag.W_PRECISION_MISMATCH,)
    assert np.array_equal(decoded.pixels, pixels)


def test_values_beyond_bits_stored_are_refused(make, texture: np.ndarray) -> None:
    bright = texture.copy()
    bright[3, 4] = 4096
    stream = imagecodecs.jpegls_encode(bright)
    assert fails(make(bytes(stream), JPEG_LS, Rows=64, Columns=80)) is Reason.PRECISION_OVERFLOW


def test_a_codestream_of_another_size_is_refused_undecoded(make, texture: np.ndarray) -> None:
    for syntax, stream in (
        (JPEG_LOSSLESS, imagecodecs.jpeg8_encode(texture, lossless=True, bitspersample=12)),
        (JPEG_LS, imagecodecs.jpegls_encode(texture)),
        (J2K, imagecodecs.jpeg2k_encode(texture, codecformat="j2k", reversible=True, level=0)),
        (HTJ2K, imagecodecs.htj2k_encode(texture)),
    ):
        data = make(bytes(stream), syntax, Rows=80, Columns=64)
        assert fails(data) is Reason.DIMENSION_MISMATCH, syntax


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (JPEG_LOSSLESS, lambda a: imagecodecs.jpeg8_encode(a, lossless=True, bitspersample=12)),
        (JPEG_LS, imagecodecs.jpegls_encode),
        (J2K, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True, level=0)),
        (HTJ2K, imagecodecs.htj2k_encode),
    ],
)
def test_a_cut_codestream_never_becomes_an_image(
    make, texture: np.ndarray, syntax: str, encode
) -> None:
    """Two of the codecs would fill the rest with gray and say nothing."""
    stream = bytes(encode(texture))
    for share in (0.3, 0.6, 0.99):
        cut = stream[: int(len(stream) * share)]
        reason = fails(make(cut, syntax, Rows=64, Columns=80))
        assert reason in (Reason.TRUNCATED, Reason.DECODE_FAILED)


def test_a_stream_damaged_inside_is_no_image_of_what_was_left(syntaxes: Path) -> None:
    """OpenJPH's wrapper swallows the error and would return zeros."""
    data = bytearray((syntaxes / "crop-htj2k-201.dcm").read_bytes())
    begin = data.index(b"\xff\x93")  # start of data: all below is code-blocks
    data[begin + 200 : begin + 20_000] = bytes(19_800)
    assert fails(bytes(data)) is Reason.DECODE_FAILED


def test_a_stream_of_another_kind_is_refused(make, texture: np.ndarray) -> None:
    stream = bytes(imagecodecs.jpegls_encode(texture))
    for syntax in (JPEG_LOSSLESS, J2K, JPEG_12):
        assert fails(make(stream, syntax, Rows=64, Columns=80)) is Reason.DECODE_FAILED


def test_one_value_throughout_is_no_image(make) -> None:
    assert fails(make(np.full((64, 80), 700, np.uint16))) is Reason.CONSTANT_IMAGE


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Rows": 30_000, "Columns": 30_000}, Reason.TOO_LARGE),
        ({"Rows": 0}, Reason.PIXEL_FORMAT),
        ({"Rows": 65}, Reason.PIXEL_LENGTH_MISMATCH),
        ({"SamplesPerPixel": 3}, Reason.PIXEL_FORMAT),
        ({"NumberOfFrames": 2}, Reason.PIXEL_FORMAT),
        ({"NumberOfFrames": 0}, Reason.PIXEL_FORMAT),
        ({"BitsAllocated": 32}, Reason.PIXEL_FORMAT),
        ({"BitsStored": 17}, Reason.PIXEL_FORMAT),
        ({"HighBit": 5}, Reason.PIXEL_FORMAT),
        ({"PhotometricInterpretation": "RGB"}, Reason.PIXEL_FORMAT),
        ({"drop": ("Rows",)}, Reason.MISSING_ATTRIBUTE),
        ({"drop": ("PixelRepresentation",)}, Reason.MISSING_ATTRIBUTE),
        ({"drop": ("PixelData",)}, Reason.PIXEL_DATA_MISSING),
        ({"syntax": "1.2.840.113619.5.2"}, Reason.TRANSFER_SYNTAX_UNSUPPORTED),
        ({"syntax": RLE}, Reason.PIXEL_LENGTH_MISMATCH),
    ],
)
def test_a_header_without_sense_is_refused(make, texture, values, reason: Reason) -> None:
    data = make(texture) if "syntax" in values else make(texture, **values)
    if "syntax" in values:
        old, new = b"1.2.840.10008.1.2.1\0", values["syntax"].encode()
        data = data.replace(
            struct.pack("<H", len(old)) + old,
            struct.pack("<H", len(new) + len(new) % 2) + new + b"\0" * (len(new) % 2),
            1,
        )
    assert fails(data) is reason


def test_a_number_of_frames_that_is_text_is_refused(make, texture: np.ndarray) -> None:
    data = make(texture, NumberOfFrames=11).replace(b"IS\x02\x0011", b"IS\x02\x001A")
    assert fails(data) is Reason.PIXEL_FORMAT


def test_a_real_file_cut_anywhere_is_quarantined(real: Path) -> None:
    whole = (real / "ge-essential-rmlo-jpll.dcm").read_bytes()
    for share in range(0, 100, 5):
        reason = fails(whole[: len(whole) * share // 100])
        assert reason in (Reason.TRUNCATED, Reason.PIXEL_DATA_MISSING, Reason.HEADER_UNREADABLE)
    assert fails(whole[:-500]) is Reason.TRUNCATED


def test_an_error_says_nothing_of_the_header(make, texture: np.ndarray) -> None:
    data = make(texture, PatientName="Rosenquist^Mathilda", NumberOfFrames=11)
    with pytest.raises(PixelError) as caught:
        decode(data.replace(b"IS\x02\x0011", b"IS\x02\x00Ro"))
    assert "Ro" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_signed_codestream_beyond_bits_stored_is_refused(make, texture: np.ndarray) -> None:
    signed = texture.astype(np.int16)  # up to 4095, where 12 bits end at 2047
    stream = imagecodecs.jpeg2k_encode(signed, codecformat="j2k", reversible=True, level=0)
    data = make(bytes(stream), J2K, Rows=64, Columns=80, PixelRepresentation=1)
    assert fails(data) is Reason.PRECISION_OVERFLOW
