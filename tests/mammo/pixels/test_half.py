"""JPEG 2000 at half resolution: the same breast, at the same place, by a quarter of the work."""

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from mammo import codecs
from mammo.codes import Flag
from mammo.decode import Decoded, decode
from mammo.prepare import Preparation, Prepared, prepare
from mammo.views import Laterality

J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K = "1.2.840.10008.1.2.4.201"
WHOLE = Preparation(height=512, width=320)
HALF = Preparation(height=512, width=320, half_jpeg_2000=True)
WINDOW = {"WindowCenter": "2048", "WindowWidth": "4096"}


def encoded(pixels: NDArray[np.generic], syntax: str) -> bytes:
    if syntax == HTJ2K:
        return bytes(imagecodecs.htj2k_encode(pixels))
    lossless = syntax == J2K
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels,
            codecformat="j2k",
            reversible=lossless,
            level=0 if lossless else 60,
            bitspersample=12,
        )
    )


def breast(shape: tuple[int, int], side: str = "left") -> NDArray[np.uint16]:
    """A smooth breast of 12 bits with three small bright spots."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    inside = (x / (0.6 * columns)) ** 2 + ((y - rows / 2) / (0.35 * rows)) ** 2
    grey = np.where(inside < 1, 1500 + 300 * np.cos(x / 60) * np.cos(y / 45), 0)
    for place in SPOTS:
        row, column = place[0] * rows, place[1] * columns
        grey += 1400 * np.exp(-((x + 0.5 - column) ** 2 + (y + 0.5 - row) ** 2) / (2 * 9.0**2))
    grey = np.clip(grey, 0, 4095).astype(np.uint16)
    return grey if side == "left" else np.ascontiguousarray(grey[:, ::-1])


SPOTS = ((0.4, 0.2), (0.5, 0.35), (0.6, 0.15))  # rows, columns, shares of the image


def spots(prepared: Prepared) -> NDArray[np.float64]:
    """The brightest places of the tensor in native pixels, to a fraction of a pixel: (3, 2)."""
    picture = prepared.tensor[0].astype(np.float32)
    fine = cv2.GaussianBlur(picture, (0, 0), 2)
    found = []
    for _ in SPOTS:
        _, _, _, (column, row) = cv2.minMaxLoc(fine)
        cut = fine[row - 4 : row + 5, column - 4 : column + 5]
        weight = np.clip(cut - np.quantile(cut, 0.5), 0, None)
        y, x = np.mgrid[row - 4 : row + 5, column - 4 : column + 5]
        at = [(weight * x).sum() / weight.sum() + 0.5, (weight * y).sum() / weight.sum() + 0.5]
        found.append([*at, *at])
        cv2.circle(fine, (column, row), 25, 0, -1)
    return np.sort(prepared.geometry.to_native(np.array(found))[:, :2], axis=0)


def both(
    make, grey: NDArray[np.uint16], syntax: str, **header: object
) -> tuple[Prepared, Prepared]:
    """Prepared from the whole image, and from its half."""
    stream = encoded(grey, syntax)
    file = make(stream, syntax, Rows=grey.shape[0], Columns=grey.shape[1], **WINDOW, **header)
    laterality = Laterality.LEFT
    return tuple(  # type: ignore[return-value]
        prepare(decode(file, half=params.half_jpeg_2000), laterality, params)
        for params in (WHOLE, HALF)
    )


@pytest.mark.parametrize("syntax", [J2K, J2K_LOSSY, HTJ2K])
@pytest.mark.parametrize("shape", [(1200, 900), (1201, 899)])
@pytest.mark.parametrize(("side", "orientation"), [("left", r"A\F"), ("right", r"P\F")])
def test_what_shows_lies_at_the_same_native_place(
    make, syntax: str, shape: tuple[int, int], side: str, orientation: str
) -> None:
    grey = breast(shape, side)
    whole, half = both(make, grey, syntax, PatientOrientation=orientation)
    assert half.geometry.native_shape == whole.geometry.native_shape == shape
    assert half.geometry.mirrored is (side == "right")
    assert half.geometry.scale == pytest.approx(whole.geometry.scale, rel=0.01)
    assert np.abs(spots(half) - spots(whole)).max() < 0.25
    assert np.abs(np.array(half.breast_box) - whole.breast_box).max() <= 12


@pytest.mark.parametrize("orientation", [r"F\A", r"H\P"])
def test_turned_images_too(make, orientation: str) -> None:
    turned = np.ascontiguousarray(np.rot90(breast((1201, 899)), 1))
    whole, half = both(make, turned, J2K, PatientOrientation=orientation)
    assert half.geometry.quarter_turns == whole.geometry.quarter_turns != 0
    assert np.abs(spots(half) - spots(whole)).max() < 0.25


def test_the_tensors_differ_by_little(make) -> None:
    whole, half = both(make, breast((1600, 1200)), J2K)
    matrix = np.float32([[1, 0, 0], [0, 1, 0]])
    # both crops begin at their own corner: bring the half's onto the whole's
    (at,) = whole.geometry.to_prepared(half.geometry.to_native(np.array([[0.0, 0, 100, 100]])))
    matrix[:, 2] = at[:2]
    matrix[[0, 1], [0, 1]] = (at[2:] - at[:2]) / 100
    moved = cv2.warpAffine(half.tensor[0], matrix, half.tensor.shape[:0:-1])
    inner = np.s_[40:-40, 20:200]
    difference = np.abs(moved[inner].astype(int) - whole.tensor[0][inner])
    assert difference.mean() < 1


@pytest.mark.parametrize("syntax", [J2K, HTJ2K])
def test_values_keep_their_scale_and_the_result_says_how_it_was_decoded(make, syntax: str) -> None:
    grey = breast((300, 200))
    found = decode(make(encoded(grey, syntax), syntax, Rows=300, Columns=200), half=True)
    assert found.pixels.shape == (150, 100)
    assert found.half
    assert found.flags == (Flag.W_HALF_RESOLUTION,)
    assert abs(int(np.median(found.pixels)) - int(np.median(grey[::2, ::2]))) <= 4


def test_signed_values_keep_their_sign(make) -> None:
    signed = (breast((300, 200)).astype(np.int16) - 1500) // 2
    stream = imagecodecs.jpeg2k_encode(signed, codecformat="j2k", reversible=True, level=0)
    file = make(bytes(stream), J2K, Rows=300, Columns=200, PixelRepresentation=1, BitsStored=12)
    whole, half = (decode(file, half=choice) for choice in (False, True))
    assert half.half
    assert half.pixels.dtype == np.int16
    assert abs(int(np.median(half.pixels)) - int(np.median(whole.pixels[::2, ::2]))) <= 4


def test_what_has_no_half_is_decoded_whole(make, texture) -> None:
    flat = imagecodecs.jpeg2k_encode(
        texture, codecformat="j2k", reversible=True, level=0, resolutions=1
    )
    files = [
        make(texture),
        make(bytes(flat), J2K, Rows=64, Columns=80),
        make(
            bytes(imagecodecs.jpegls_encode(texture)), "1.2.840.10008.1.2.4.80", Rows=64, Columns=80
        ),
    ]
    for file in files:
        found: Decoded = decode(file, half=True)
        assert not found.half
        assert found.flags == ()
        assert np.array_equal(found.pixels, texture)


def test_only_wavelets_have_a_half() -> None:
    assert {uid for uid, syntax in codecs.COMPRESSED.items() if syntax.half} == {
        *(J2K, J2K_LOSSY, HTJ2K),
        *("1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"),
    }
