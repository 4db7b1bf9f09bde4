"""Decoders that disagree: their studies wait in the list, all others are screened."""

import io
from collections.abc import Iterable

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate

from mammo.decode import decode
from tests.calls import adds_up, phantom_files

BASELINE = "1.2.840.10008.1.2.4.50"


def damaged(files: Iterable[bytes]) -> list[bytes]:
    """The images as 8-bit JPEG with a wrong Huffman table: each decoder shows another picture."""
    out = []
    for data in files:
        pixels = decode(data).pixels
        dataset = pydicom.dcmread(io.BytesIO(data))
        gray = (pixels.astype(np.float64) * 255 / pixels.max()).astype(np.uint8)
        stream = bytearray(imagecodecs.jpeg8_encode(gray, level=90))
        table = stream.rindex(b"\xff\xc4")  # that of the AC coefficients
        symbols = table + 5 + 16
        stream[symbols + 4], stream[symbols + 9] = stream[symbols + 9], stream[symbols + 4]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = encapsulate([bytes(stream)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = BASELINE
        file = io.BytesIO()
        dataset.save_as(file)
        out.append(file.getvalue())
    return out


@pytest.mark.timeout(170)
def test_a_stopped_syntax_waits_and_the_rest_is_screened(nightread, put) -> None:
    files = phantom_files(4, seed=47)
    names = sorted(files)
    bad = [name for name in names if name < "002"]
    broken = dict(zip(bad, damaged(files[name] for name in bad), strict=True))
    prefix = put("stopped", files | broken)

    called = nightread("screen", prefix, "--json")
    assert called.code == 4, called.err
    adds_up(called.json)
    assert called.json["not_scored_reasons"] == {"SYNTAX_STOPPED": 2}, called.err
    assert called.json["studies"]["scored"] == 2
    assert called.json["reasons"]["SYNTAX_STOPPED"] == len(bad)
    assert "syntax_stopped" in called.err
    assert BASELINE in called.err
    page = nightread("worklist", "--limit", "1000", "--json").json["items"]
    waiting = [item for item in page if "SYNTAX_STOPPED" in item["warnings"]]
    assert len(waiting) == 2

    again = nightread("screen", prefix, "--json")  # which asks again
    assert again.json["not_scored_reasons"] == {"SYNTAX_STOPPED": 2}
    put("stopped", {name: files[name] for name in bad})
    mended = nightread("screen", prefix, "--json")
    assert mended.code == 0, mended.err
    assert mended.json["studies"]["scored"] == 4
