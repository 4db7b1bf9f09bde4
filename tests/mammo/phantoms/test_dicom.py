"""Files: valid, lossless, and accepted by what reads them."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi_lut

from mammo import decode, header, verdict
from mammo.codes import Flag, Reason, SourceKind
from mammo.phantoms import PhantomImage, Resolution, encode, plan, render
from mammo.phantoms.machines import MACHINES, Look
from mammo.phantoms.plan import Syntax
from mammo.views import Laterality

DCIODVFY = Path(sys.executable).with_name("dciodvfy")


@cache
def images_on(model: str) -> tuple[PhantomImage, ...]:
    """The four images of a study on a machine."""
    (study,) = plan(1, 31)
    return tuple(render(replace(study, machine=MACHINES[model]), Resolution.WORKING))


def image_on(model: str, syntax: Syntax, number: int = 1) -> PhantomImage:
    """One of them, to be written in a transfer syntax."""
    image = images_on(model)[number - 1]
    return replace(image, plan=replace(image.plan, transfer_syntax=syntax))


@pytest.fixture(scope="module")
def images() -> dict[str, PhantomImage]:
    """One view of each machine, views and syntaxes in turn."""
    syntaxes = list(Syntax)
    return {
        model: image_on(model, syntaxes[n % len(syntaxes)], 1 + n % 4)
        for n, model in enumerate(MACHINES)
    }


@pytest.mark.parametrize("model", list(MACHINES))
def test_dciodvfy_finds_no_error(model: str, images: dict[str, PhantomImage], tmp_path: Path):
    path = tmp_path / "phantom.dcm"
    path.write_bytes(encode(images[model]))
    found = subprocess.run([DCIODVFY, path], capture_output=True, text=True, check=False).stderr
    assert "MammographyImageForPresentation" in found
    assert not [line for line in found.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("syntax", list(Syntax))
def test_pixels_come_back_unchanged_in_every_syntax(syntax: Syntax):
    image = image_on("D94S", syntax)
    assert np.array_equal(decode.decode(encode(image)).pixels, image.pixels)


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.RLE])
def test_pydicom_alone_reads_the_same_pixels(syntax: Syntax):
    image = image_on("D94S", syntax)
    assert np.array_equal(pydicom.dcmread(io.BytesIO(encode(image))).pixel_array, image.pixels)


@pytest.mark.parametrize("model", list(MACHINES))
def test_the_header_shows_the_grey_that_training_sees(model: str, images: dict[str, PhantomImage]):
    """The VOI of pydicom against ours, padding and air left out."""
    image = images[model]
    read = pydicom.dcmread(io.BytesIO(encode(image)))
    top = (1 << read.BitsStored) - 1
    ceiling = 4095 if "VOILUTSequence" in read else top
    shown = apply_voi_lut(image.pixels, read, index=0).astype(np.float64) / ceiling
    if read.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    body = np.abs(image.pixels.astype(int) - int(image.pixels[0, image.pixels.shape[1] // 2])) > 200
    assert np.abs(shown * 255 - image.gray())[body].max() <= 1.01


@pytest.mark.parametrize("model", list(MACHINES))
def test_the_index_accepts_it(model: str, images: dict[str, PhantomImage]):
    image = images[model]
    data = encode(image)
    facts = header.parse(data, len(data)).facts
    assert facts is not None
    judgement = verdict.judge(facts, verdict.Policy())
    assert judgement.reason is Reason.OK
    film = image.background.machine.look is Look.FILM
    assert judgement.flags == ((Flag.W_FILM,) if film else ())
    assert facts.laterality is image.laterality
    assert facts.source_kind is (SourceKind.FILM if film else SourceKind.FFDM)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_patient_orientation_names_the_side_of_the_chest_wall(number: int):
    image = image_on("D94S", Syntax.JPEG_LS, number)
    read = pydicom.dcmread(io.BytesIO(encode(image)))
    wall_at_the_right = image.laterality is Laterality.RIGHT
    assert read.PatientOrientation[0] == ("P" if wall_at_the_right else "A")
    assert read.ImageLaterality == image.laterality


def test_uids_are_valid_and_no_two_are_equal():
    uids = []
    for study in plan(2, 8):
        uids.append(study.study_uid)
        for image in render(replace(study, machine=MACHINES["D94S"]), Resolution.WORKING):
            uids += [image.sop_instance_uid, image.series_uid]
    assert len(set(uids)) == len(uids) == 18
    assert all(re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid) for uid in uids)


def test_the_same_study_gives_the_same_bytes():
    image = image_on("D94S", Syntax.JPEG_LS)
    images_on.cache_clear()
    assert encode(image) == encode(image_on("D94S", Syntax.JPEG_LS))
