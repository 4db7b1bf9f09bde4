"""Whatever bytes come: pixels that can be prepared, or a PixelError."""

import logging
import random
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from mammo.codes import Reason
from mammo.decode import PixelError, decode
from mammo.header import NeedMore, parse
from mammo.prepare import Preparation, prepare
from mammo.verdict import Policy, judge

LENGTHS = (b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\0", b"\xff\x7f\0\0")


def harmed(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, lengths overwritten, pieces cut out, the end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out))
        match rng.choice("bbbblllcd"):
            case "b":
                out[at] = rng.randrange(256)
            case "l":
                out[at : at + 4] = rng.choice(LENGTHS)
            case "c":
                del out[at : at + rng.randrange(1, 40)]
            case _:
                del out[at + 1 :]
    return bytes(out)


@pytest.mark.parametrize("seed", range(8))
def test_harmed_files_never_escape(syntaxes: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = [p.read_bytes() for p in sorted(syntaxes.glob("*.dcm")) if p.stat().st_size < 150_000]
    outcomes = []
    for _ in range(60):
        try:
            prepared = prepare(decode(harmed(rng.choice(files), rng)), None, Preparation())
            outcomes.append(prepared.tensor.shape)
        except PixelError as error:
            outcomes.append(error.reason)
    assert (1, 1024, 640) in outcomes
    assert len(set(outcomes)) > 3


@pytest.mark.parametrize("data", [b"", b"\0", b"DICM", bytes(132) + b"DICM", bytes(5000)])
def test_hardly_a_file_has_a_reason(data: bytes) -> None:
    with pytest.raises(PixelError):
        decode(data)


def test_deep_nesting_is_bounded(make, texture) -> None:
    """2,000 sequences, one in the other, before the pixels."""
    whole = make(texture)
    at = whole.index(b"\x28\x00\x02\x00")  # Samples per Pixel
    sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(PixelError):
        decode(whole[:at] + sequence * 2000 + whole[at:])


J2K, JPEG, LOSSLESS = (f"1.2.840.10008.1.2.4.{n}" for n in ("90", "50", "70"))


def outcome(data: bytes) -> Reason | str:
    """The reason of refusal, or `prepared`; 300 MB of Python's memory at most."""
    tracemalloc.start()
    try:
        prepared = prepare(decode(data), None, Preparation())
    except PixelError as error:
        return error.reason
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 300_000_000
    assert prepared.tensor.shape == (1, 1024, 640)
    return "prepared"


def j2k(texture: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(texture, codecformat="j2k", reversible=True, level=0))


def test_rows_and_columns_of_four_bytes_are_bounded(make, texture: np.ndarray) -> None:
    """65536 x 65536 as UL: its product with two bytes is 2^33."""
    data = make(texture)
    for tag in (b"\x28\0\x10\0", b"\x28\0\x11\0"):
        at = data.index(tag + b"US")
        data = data[:at] + tag + b"UL\x04\0" + struct.pack("<I", 65536) + data[at + 10 :]
    assert outcome(data) is Reason.TOO_LARGE


@pytest.mark.parametrize("claim", [1, 3, 10_239, 0xFFFFFFFE])
def test_a_pixel_data_length_that_lies_is_refused(make, texture: np.ndarray, claim: int) -> None:
    data = bytearray(make(texture))
    at = data.index(b"\xe0\x7f\x10\0OW") + 8
    data[at : at + 4] = struct.pack("<I", claim)
    assert outcome(bytes(data)) in (Reason.PIXEL_LENGTH_MISMATCH, Reason.TRUNCATED)


def test_33_resolution_levels_are_refused(make, texture: np.ndarray) -> None:
    stream = bytearray(j2k(texture))
    levels = stream.index(b"\xff\x52") + 9  # COD: SPcod, number of decomposition levels
    for count in (33, 255):
        stream[levels] = count
        data = make(bytes(stream), J2K, Rows=64, Columns=80)
        assert outcome(data) is Reason.DECODE_FAILED


def test_twelve_bit_lossless_jpeg_is_not_zeros(make, texture: np.ndarray) -> None:
    """A decoder on a GPU gave zeros, and a pipeline reported `no finding`."""
    stream = bytes(imagecodecs.jpeg8_encode(texture, lossless=True, bitspersample=12))
    assert np.array_equal(decode(make(stream, LOSSLESS, Rows=64, Columns=80)).pixels, texture)


@pytest.mark.parametrize("magic", [b"BM", b"\x89PNG\r\n\x1a\n", b"II*\0", b"GIF89a", b"RIFF"])
def test_no_codec_guesses(make, magic: bytes) -> None:
    """A bitmap of 118 bytes crashed a loader that guesses formats."""
    picture = (magic + bytes(118))[:118]
    for syntax in (JPEG, J2K, LOSSLESS):
        assert outcome(make(picture, syntax, Rows=1, Columns=1)) is Reason.DECODE_FAILED


@pytest.mark.parametrize("begin", [b"MZ", b"#!/bin/sh\n"])
def test_a_preamble_that_is_a_program_is_only_a_preamble(make, texture, begin: bytes) -> None:
    data = make(texture)
    assert np.array_equal(decode(begin + data[len(begin) :]).pixels, texture)


def test_a_flood_of_private_elements_is_read_past(make, texture: np.ndarray) -> None:
    data = make(texture)
    at = data.index(b"\x28\0\x02\0")
    flood = b"".join(
        struct.pack("<HH2sH", 0x0019, n, b"SH", 2) + b"x " for n in range(0x1000, 0x10000)
    ) + b"".join(struct.pack("<HH2sH", 0x0021, n, b"SH", 2) + b"x " for n in range(0x1000, 0xA000))
    assert np.array_equal(decode(data[:at] + flood + data[at:]).pixels, texture)


@pytest.mark.parametrize(("center", "width"), [("nan", "nan"), ("2048", "0"), ("1", "0.5")])
def test_a_window_without_sense_is_no_window(make, texture, center: str, width: str) -> None:
    data = make(texture, WindowCenter="2048", WindowWidth="4096")
    for old, new in ((b"2048", center), (b"4096", width)):
        data = data.replace(old, new.encode().ljust(4), 1)
    assert outcome(data) == "prepared"


PLANTED = ("Rosenquist", "Mathilda", "19520417", "\x1b[31m", "<script>", "=cmd|", "@SUM(1+1)")
NAME = "Rosenquist^Mathilda\x1b[31m<script>alert(1)</script>"


def said_of(data: bytes, caplog: pytest.LogCaptureFixture) -> str:
    """All that any stage says of a file: errors, details, log lines, warnings."""
    caplog.clear()
    words: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            header = parse(data, len(data))
            judgement = judge(header.facts, Policy()) if header.facts else header.judgement
            words.append(f"{judgement and judgement.reason} {judgement and judgement.detail}")
        except NeedMore as more:
            words.append(repr(more))
        try:
            prepared = prepare(decode(data), None, Preparation())
            words.append(f"{prepared.flags} {prepared.reviews}")
        except PixelError as error:
            words += [str(error), repr(error), error.detail, repr(error.__cause__)]
    return " ".join([*words, *map(str, (w.message for w in warned)), caplog.text])


def planted(make: Callable[..., bytes], texture: np.ndarray) -> list[bytes]:
    """Files full of what must not get out: names, escapes, HTML, formulas."""
    values = {
        "PatientName": NAME, "PatientID": "=cmd|' /C calc'!A0", "PatientBirthDate": "19520417",
        "StudyDescription": "Mathilda <script>", "InstitutionName": "@SUM(1+1) Rosenquist",
        "AccessionNumber": "=cmd|x", "ViewPosition": "Rosenquist", "PatientOrientation": NAME,
        "ImageLaterality": "Mathilda", "ImageComments": NAME, "BodyPartExamined": "Rosenquist",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        native = make(texture, **values)
        coded = make(j2k(texture), J2K, Rows=64, Columns=80, **values)
    return [native, coded]


def test_nothing_of_a_patient_is_ever_said(make, texture: np.ndarray, caplog) -> None:
    """However a file is damaged: numbers become names, names become numbers."""
    caplog.set_level(logging.DEBUG)
    rng = random.Random(17)
    whole = planted(make, texture)
    files = whole + [harmed(rng.choice(whole), rng) for _ in range(300)]
    tags = (b"\x28\0\x10\0", b"\x28\0\x08\0", b"\x28\0\x04\0", b"\x28\0\x50\x10", b"\x02\0\x10\0")
    for data in whole:  # the name where a number or a word of the standard should be
        for tag in tags:
            at = data.find(tag)
            if at >= 0:
                name = b"Rosenquist"
                files.append(data[: at + 4] + b"LO" + struct.pack("<H", 10) + name + data[at + 8 :])
    for data in files:
        said = said_of(data, caplog)
        assert not [word for word in PLANTED if word in said], said[:500]
