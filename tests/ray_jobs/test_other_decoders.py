"""Decoders that are no part of the product agree too, where they are installed.

Grok (Debian's grokj2k-tools; a fork of OpenJPEG), gdcm and OpenJPEG on HTJ2K share some code with
ours, unlike those of test_syntaxes.py; they are what other people look at images with.
"""

import io
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest

from benchmarks.syntaxes import WAYS, Way, cases
from mammo import codestream, encapsulation, part10
from mammo.codestream import Family
from mammo.decode import decode

GDCM = {".4.50", ".4.57", ".4.70", ".4.90", ".4.91"}  # it extends no sign in JPEG-LS


def ways(*syntaxes: str) -> list[Way]:
    return [way for way in WAYS if way.syntax in syntaxes]


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(np.int32) - other.astype(np.int32)).max())


def stream_of(data: bytes) -> bytes:
    frame = encapsulation.join(part10.read(data).value).data
    return bytes(codestream.look(frame, Family.JPEG_2000).data)


@pytest.mark.parametrize("way", ways(".4.201", ".4.202", ".4.203"), ids=lambda way: way.name)
def test_openjpeg_reads_htj2k_as_openjph_does(way: Way) -> None:
    lossy = way.syntax == ".4.203"
    for pixels, data in cases(way):
        theirs = imagecodecs.jpeg2k_decode(stream_of(data))
        if lossy:  # which may reach beyond Bits Stored
            theirs = theirs.clip(pixels.min(), pixels.max())
        assert apart(decode(data).pixels, theirs) <= lossy


@pytest.mark.parametrize("way", ways(".4.90", ".4.91"), ids=lambda way: way.name)
def test_grok_agrees(way: Way, tmp_path: Path) -> None:
    program = shutil.which("grk_decompress")
    if program is None:
        pytest.skip("environment: grok (Debian's grokj2k-tools) is not installed")
    for pixels, data in cases(way):
        if pixels.dtype.kind == "i":  # a PGM has no sign
            continue
        (tmp_path / "in.j2k").write_bytes(stream_of(data))
        subprocess.run(
            [program, "-i", tmp_path / "in.j2k", "-o", tmp_path / "out.pgm"],
            check=True,
            capture_output=True,
        )
        theirs = np.asarray(cv2.imread(str(tmp_path / "out.pgm"), cv2.IMREAD_UNCHANGED))
        assert apart(decode(data).pixels, theirs) <= (way.syntax == ".4.91")


@pytest.mark.parametrize("way", ways(*GDCM), ids=lambda way: way.name)
def test_gdcm_agrees(way: Way) -> None:
    if find_spec("gdcm") is None:
        pytest.skip("environment: python-gdcm, of the extra `dev`, is not installed")
    for _, data in cases(way):
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.pixel_array_options(decoding_plugin="gdcm")
        lossy = way.syntax in {".4.50", ".4.91"}
        assert apart(decode(data).pixels, dataset.pixel_array) <= lossy
