"""Pixels that no exposure gives are quarantined; no mammogram ever is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mammo import plausible
from mammo.codes import Reason
from mammo.decode import PixelError, decode


def refused(pixels: np.ndarray) -> bool:
    try:
        plausible.check(pixels)
    except PixelError as error:
        return error.reason is Reason.IMPLAUSIBLE_PIXELS
    return False


def field(share: float) -> np.ndarray:
    """A faint, noisy breast in a black field of 12 bit, on `share` of it."""
    rng = np.random.default_rng(4)
    pixels = np.zeros((2000, 1600), np.uint16)
    rows = round(2000 * share / 0.25)
    texture = 900 + np.cumsum(rng.integers(-3, 4, (rows, 400)), axis=1)
    pixels[:rows, :400] = np.clip(texture, 1, 4095)
    return pixels


def test_a_mask_and_a_saturated_image_are_no_pictures() -> None:
    mask = np.zeros((2000, 1600), np.uint16)
    mask[300:1200, 200:900] = 4095
    assert refused(mask)
    saturated = field(0.25)
    saturated[saturated > 0] = 4095
    saturated[5, 5:60] = 2000
    assert refused(saturated)


def test_a_decoder_that_gave_up_after_a_few_lines_gave_no_picture() -> None:
    whole = field(0.25)
    whole[12:] = 0
    assert refused(whole)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_noise_is_no_picture(kind: type) -> None:
    noise = np.random.default_rng(2).integers(0, 4096, (1500, 1100)) - (kind is np.int16) * 2048
    assert refused(noise.astype(kind))


def test_a_small_and_faint_breast_is_a_picture() -> None:
    """2% of the field: less has a flag of its own, and is scored."""
    assert not refused(field(0.02))
    assert not refused((field(0.02).astype(np.int32) - 2048).astype(np.int16))


def test_every_real_mammogram_is_a_picture(shared: Path) -> None:
    names = ("ge-essential-rmlo-jpll", "siemens-inspiration-stereo-lcc", "lumisys-film-sc-lmlo-j2ki",
             "cbis-ddsm-film-sc-rcc-rle", "film-lcc-rewrapped-j2kr")  # fmt: skip
    for name in names:
        data = (shared / "data" / "dicom-mg" / f"{name}.dcm").read_bytes()
        assert not refused(decode(data).pixels), name


def test_every_film_of_three_collections_is_a_picture(shared: Path) -> None:
    data = shared / "data"
    films = [*(data / "cdd-cesm").rglob("*.png"), *(data / "cdd-cesm").rglob("*.jpg")]
    films += sorted((data / "cbis-ddsm-mass-800" / "images").iterdir())[::8]
    films += [path for path in (data / "mini-mias").rglob("*") if path.suffix in (".png", ".pgm")]
    assert len(films) > 300
    for path in films:
        gray = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        assert not refused(gray.astype(np.uint16)), path.name
