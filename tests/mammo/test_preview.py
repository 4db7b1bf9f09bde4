"""What a reader is shown of an image: all of the breast at full depth, and no letter beside it."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from mammo import phantoms, voi
from mammo.breast import find
from mammo.decode import Decoded, decode
from mammo.preview import OVERVIEW, TILE, Preview, outside, preview
from mammo.views import Laterality
from tests.mammo.pixels.conftest import make_dicom

SEED = 71_301
PLAIN_WINDOW = {"WindowCenter": "2048", "WindowWidth": "4096"}


def drawn(turns: int = 0, **header: object) -> tuple[Decoded, np.ndarray]:
    """A half disk of tissue at the left edge, of the right breast's depth, and bright letters."""
    rows, columns = 1600, 1200
    y, x = np.mgrid[:rows, :columns]
    tissue = (x / 700) ** 2 + ((y - 800) / 600) ** 2 < 1
    ramp = 900 + (x + 2 * y) % 1500
    pixels = np.where(tissue, ramp, 0).astype(np.uint16)
    pixels[60:120, 900:1150] = 4000  # letters, far from the breast
    data = make_dicom(np.rot90(pixels, -turns).copy(), **{**PLAIN_WINDOW, **header})
    return decode(data), tissue


def made(turns: int = 0, side: Laterality = Laterality.LEFT, **header: object) -> Preview:
    return preview(drawn(turns, **header)[0], side)


def test_every_value_that_the_machine_measured_in_the_breast_is_there() -> None:
    decoded, tissue = drawn()
    shown = preview(decoded, Laterality.LEFT)
    assert np.array_equal(shown.samples[tissue], decoded.pixels[tissue] + 1)
    assert len(np.unique(shown.samples)) > 1400  # far more than a screen's 256


def test_letters_outside_of_the_breast_are_black() -> None:
    shown = made()
    assert not shown.samples[60:120, 900:1150].any()
    assert shown.samples.max() < 2500


@pytest.mark.parametrize("index", range(3))
def test_no_letter_label_or_frame_of_a_phantom_is_left(index: int) -> None:
    """Nothing as bright as lead stays where the drawn breast is not."""
    plan = phantoms.plan(3, SEED)[index]
    for image in phantoms.render(plan, phantoms.Resolution.WORKING):
        decoded = decode(phantoms.encode(image))
        gray = voi.choose(decoded.header, decoded.pixels).apply(decoded.pixels)
        hidden = outside(gray)
        assert hidden is not None
        found = find(gray)
        mask = found.mask.repeat(found.step, 0).repeat(found.step, 1)
        beside = ~mask[: gray.shape[0], : gray.shape[1]] & ~hidden
        assert (gray[beside] > 200).mean() < 0.01
        assert not (hidden & mask[: gray.shape[0], : gray.shape[1]]).any()


def test_an_image_without_a_breast_is_withheld_and_not_shown() -> None:
    rng = np.random.default_rng(SEED)
    air = rng.integers(0, 12, (1600, 1200)).astype(np.uint16)
    air[60:120, 900:1150] = 4000
    shown = preview(decode(make_dicom(air, **PLAIN_WINDOW)), Laterality.LEFT)
    assert shown.withheld
    assert not shown.samples.any()
    assert list(shown.tiles()) == []


def test_padding_is_black_whatever_the_window() -> None:
    decoded, tissue = drawn(PixelPaddingValue=0)
    shown = preview(decoded, Laterality.LEFT)
    assert not shown.samples[~tissue].any()


@pytest.mark.parametrize(
    ("orientation", "side", "mirrored"),
    [
        ("A\\F", Laterality.LEFT, False),  # chest wall at the left, as a left breast hangs
        ("A\\F", Laterality.RIGHT, True),
        ("P\\F", Laterality.RIGHT, False),
        ("", Laterality.RIGHT, False),  # nothing is said: nothing is changed
    ],
)
def test_an_image_hangs_as_its_side_does_by_what_the_header_says(
    orientation: str, side: Laterality, mirrored: bool
) -> None:
    header = {"PatientOrientation": orientation.split("\\")} if orientation else {}
    shown, plain = made(side=side, **header), made(side=side)
    assert shown.mirrored is mirrored
    expected = plain.samples[:, ::-1] if mirrored else plain.samples
    assert np.array_equal(shown.samples, expected)


def test_a_turned_image_is_shown_upright() -> None:
    upright = made()
    turned = made(turns=1, PatientOrientation=["H", "A"])
    assert turned.quarter_turns == 1
    assert turned.native_shape == (1200, 1600)
    assert np.array_equal(turned.samples, upright.samples)


def test_an_overview_is_the_mean_of_what_is_image() -> None:
    shown = made()
    assert shown.factor == 2
    small = shown.overview()
    assert max(small.shape) <= OVERVIEW
    block = shown.samples[800:802, 100:102].astype(np.float64)
    assert small[400, 50] == np.floor(block.mean() + 0.5)


def test_tiles_are_the_image_itself_and_black_ones_are_left_out() -> None:
    shown = made()
    whole = np.zeros_like(shown.samples)
    for row, column, tile in shown.tiles():
        whole[row * TILE : row * TILE + tile.shape[0], column * TILE :][:, : tile.shape[1]] = tile
    assert np.array_equal(whole, shown.samples)


def test_a_lut_keeps_its_form_at_sixteen_bits() -> None:
    image = next(
        image
        for plan in phantoms.plan(12, SEED)
        for image in phantoms.render(plan, phantoms.Resolution.WORKING)
        if "VOILUTSequence" in dcmread(BytesIO(phantoms.encode(image)), stop_before_pixels=True)
    )
    decoded = decode(phantoms.encode(image))
    shown = preview(decoded, image.laterality)
    table = voi.choose(decoded.header, decoded.pixels).table
    assert shown.window is None
    assert len(np.unique(shown.table)) > 256
    rendering = voi.render(decoded.header, decoded.pixels)
    image_values = ~rendering.padded  # what is padding is black in both
    off = shown.table / 257.0 - table[rendering.stored & 0xFFFF]
    assert np.abs(off[image_values]).max() <= 0.5
