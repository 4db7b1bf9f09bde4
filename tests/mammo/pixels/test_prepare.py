"""The tensor a model sees, and the way back from it."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from mammo.breast import Box
from mammo.codes import Flag, Reason
from mammo.decode import Decoded, decode
from mammo.prepare import Hanging, Preparation, prepare, prepare_gray, read_hanging
from mammo.views import Laterality

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT
PARAMS = Preparation(height=512, width=320)


def half_disk(side: str = "left", shape: tuple[int, int] = (1200, 900)) -> np.ndarray:
    """A breast as simple as can be: bright, its middle on the chest wall."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    inside = (x / 500) ** 2 + ((y - rows / 2) / 400) ** 2 < 1
    gray = np.where(inside, 110 + (x // 9 + y // 7) % 60, 0).astype(np.uint8)
    return gray if side == "left" else np.ascontiguousarray(gray[:, ::-1])


def decoded(gray: np.ndarray, **values: Any) -> Decoded:
    """The picture as a 12-bit image whose window shows it unchanged."""
    header = Dataset()
    header.BitsStored, header.PixelRepresentation = 12, 0
    header.PhotometricInterpretation = "MONOCHROME2"
    header.WindowCenter, header.WindowWidth = "2048", "4096"
    header.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    for keyword, value in values.items():
        setattr(header, keyword, value)
    stored = np.rint(gray.astype(float) * 4095 / 255).astype(np.uint16)
    return Decoded(stored, header, (), "native")


def test_the_chest_wall_lies_on_the_left_whichever_side_it_was() -> None:
    left, right = half_disk("left"), half_disk("right")
    a, b = prepare_gray(left, PARAMS), prepare_gray(right, PARAMS)
    assert (a.side, b.side) == ("left", "right")
    assert (a.geometry.mirrored, b.geometry.mirrored) == (False, True)
    assert np.array_equal(a.tensor, b.tensor)
    assert (a.tensor[0, 150:350, 0] > 100).all()
    assert not (a.tensor[0, :, -10:] > 100).any()


def test_the_crop_fills_the_tensor_and_only_the_rest_is_padding() -> None:
    prepared = prepare_gray(half_disk(), PARAMS)
    geometry = prepared.geometry
    assert prepared.tensor.shape == (1, 512, 320)
    assert prepared.tensor.dtype == np.uint8
    box = prepared.breast_box
    assert abs(box.x1 - 500) < 12
    assert abs(box.y0 - 200) < 12
    assert abs(box.y1 - 1000) < 12
    margin = PARAMS.margin * (box.y1 - box.y0)
    assert geometry.top == pytest.approx(box.y0 - margin, abs=1)
    assert geometry.scale == pytest.approx(512 / (box.y1 - box.y0 + 2 * margin), rel=0.01)


@pytest.mark.parametrize("shape", [(1200, 900), (2401, 1803), (700, 560), (400, 301)])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_mark_is_found_where_the_geometry_says(
    shape: tuple[int, int], side: str, turns: int
) -> None:
    """The oracle is the picture: a bright square's centre of mass, to half a prepared pixel."""
    rows, columns = shape
    gray = cv2.resize(half_disk(side), (columns, rows), interpolation=cv2.INTER_AREA) // 4
    size = max(8, rows // 60)
    x = int(columns * (0.2 if side == "left" else 0.75))
    y = int(rows * 0.45)
    gray[y : y + size, x : x + size] = 255
    stored = np.ascontiguousarray(np.rot90(gray, -turns))
    direction = "P" if side == "right" else "A"
    opposite = {"A": "P", "P": "A"}[direction]
    orientation = {  # R and L are the body's: below lies the middle, L of a right breast
        0: [direction, "L"],
        1: ["R", direction],
        3: ["L", opposite],
    }[turns]
    prepared = prepare(decoded(stored, PatientOrientation=orientation), RIGHT, PARAMS)
    assert prepared.geometry.quarter_turns == turns
    assert (Flag.W_TURNED in prepared.flags) is bool(turns)
    bright = prepared.tensor[0].astype(float)
    bright[bright < 128] = 0
    ys, xs = np.mgrid[: PARAMS.height, : PARAMS.width] + 0.5
    seen = np.array([(xs * bright).sum(), (ys * bright).sum()]) / bright.sum()
    mask = np.argwhere(stored == 255)
    (y0, x0), (y1, x1) = mask.min(axis=0), mask.max(axis=0) + 1
    box = prepared.geometry.to_prepared(np.array([[x0, y0, x1, y1]], float))[0]
    assert np.abs(seen - [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]).max() < 0.5


@given(x=st.floats(0, 300), y=st.floats(0, 500))
def test_a_place_in_the_tensor_returns_to_itself(x: float, y: float) -> None:
    geometry = RIGHT_SIDED.geometry
    box = np.array([[x, y, x + 15, y + 11]])
    assert np.abs(geometry.to_prepared(geometry.to_native(box)) - box).max() < 1e-6


RIGHT_SIDED = prepare_gray(half_disk("right"), PARAMS)


def test_halving_is_the_exact_mean_of_four() -> None:
    gray = half_disk(shape=(1200, 900))
    params = replace(PARAMS, height=600, width=450, margin=10)  # the whole image, by exactly 1/2
    prepared = prepare_gray(gray, params)
    assert prepared.geometry.scale == 0.5
    mean = gray.reshape(600, 2, 450, 2).mean(axis=(1, 3))
    assert np.abs(prepared.tensor[0] - mean).max() <= 0.5


@pytest.mark.parametrize(
    ("laterality", "orientation", "side", "flags", "reviews"),
    [
        (LEFT, ["A", "R"], "left", (), ()),
        (RIGHT, ["P", "L"], "right", (), ()),
        (RIGHT, ["A", "L"], "left", (Flag.W_MIRRORED_BY_HEADER,), ()),
        (LEFT, ["A", "R"], "right", (), (Reason.REVIEW_SIDE_MISMATCH,)),
        (LEFT, ["P", "L"], "left", (), (Reason.REVIEW_SIDE_MISMATCH,)),
        (RIGHT, "CC", "left", (), (Reason.REVIEW_SIDE_MISMATCH,)),
        (RIGHT, None, "left", (), (Reason.REVIEW_SIDE_MISMATCH,)),
        (RIGHT, None, "right", (), ()),
        (None, None, "right", (), ()),
    ],
)
def test_side_and_header_are_compared_by_the_table(
    laterality, orientation, side: str, flags, reviews
) -> None:
    values = {} if orientation is None else {"PatientOrientation": orientation}
    prepared = prepare(decoded(half_disk(side), **values), laterality, PARAMS)
    assert (prepared.flags, prepared.reviews) == (flags, reviews)
    assert (prepared.side, prepared.side_clear) == (side, True)  # pixels decide, never the header


def test_an_unclear_side_is_taken_from_the_header() -> None:
    y, x = np.mgrid[:1200, :900]
    both = np.where(abs(y - 600) < 250, 120 + (x // 9 + y // 7) % 60, 0).astype(np.uint8)
    for orientation, side in ((["P", "L"], "right"), (["A", "R"], "left")):
        prepared = prepare(decoded(both, PatientOrientation=orientation), None, PARAMS)
        assert prepared.flags == (Flag.W_SIDE_UNCLEAR,)
        assert (prepared.side, prepared.side_clear) == (side, False)


@pytest.mark.parametrize(
    ("laterality", "orientation", "hanging"),
    [  # the standard's letters by hand: columns grow towards the first, rows towards the second
        (RIGHT, ["P", "FL"], Hanging(0, "right", "right")),
        (LEFT, ["A", "F"], Hanging(0, "left", "left")),
        (LEFT, ["R", "P"], Hanging(3, "left", "left")),  # Siemens stereo: becomes A\R, its L CC
        (RIGHT, ["R", "P"], Hanging(1, "right", "right")),  # becomes P\L, R CC
        (RIGHT, ["F", "P"], Hanging(3, "left", "right")),  # becomes A\F
        (RIGHT, ["H", "P"], Hanging(1, "right", "right")),  # becomes P\F
        (RIGHT, "CC", Hanging(0, None, "right")),
        (None, ["X", "Y"], Hanging(0, None, None)),
    ],
)
def test_patient_orientation_says_where_the_chest_wall_is(laterality, orientation, hanging) -> None:
    header = Dataset()
    header.PatientOrientation = orientation
    assert read_hanging(header, laterality) == hanging


def test_no_breast_is_for_a_person_to_see() -> None:
    gray = np.zeros((1200, 900), np.uint8)
    gray[600:620, :30] = 200
    gray[0, 0] = 1
    assert Reason.REVIEW_NO_BREAST in prepare_gray(gray, PARAMS).reviews


def test_a_bright_background_is_for_a_person_to_see() -> None:
    dark = half_disk()
    assert Reason.REVIEW_POLARITY not in prepare_gray(dark, PARAMS).reviews
    assert Reason.REVIEW_POLARITY in prepare_gray(255 - dark, PARAMS).reviews


def test_each_stage_is_entered_once_and_in_order() -> None:
    names: list[str] = []

    @contextmanager
    def stage(name: str):
        names.append(name)
        yield
        names.append(f"/{name}")

    prepare(decoded(half_disk()), LEFT, PARAMS, stage)
    assert names == ["voi", "/voi", "breast", "/breast", "resample", "/resample"]


@pytest.mark.parametrize(
    ("name", "laterality", "side", "voi", "box", "flags"),
    [  # boxes by eye on the pictures; GE's own header says (1063, 0) to (2393, 3061)
        ("ge-essential-rmlo-jpll", RIGHT, "right", "lut", Box(1140, 0, 2394, 2260), ()),
        ("film-lcc-rewrapped-j2kr", LEFT, "left", "window", Box(0, 250, 650, 2150), ()),
        (
            "cbis-ddsm-film-sc-rcc-rle", RIGHT, "right", "none", Box(1200, 510, 2592, 4200),
            (Flag.W_VOI_MISSING,),
        ),
    ],
)  # fmt: skip
def test_a_real_mammogram_is_cropped_to_its_breast(
    real: Path, name: str, laterality, side: str, voi: str, box: Box, flags
) -> None:
    image = decode((real / f"{name}.dcm").read_bytes())
    prepared = prepare(image, laterality, Preparation())
    assert (prepared.side, prepared.side_clear, prepared.voi) == (side, True, voi)
    assert (prepared.flags, prepared.reviews) == (flags, ())
    assert np.abs(np.array(prepared.breast_box) - box).max() < 0.03 * max(image.pixels.shape)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [  # as release base-2026-11 was trained, calibrated and measured on
        ("ge-essential-rmlo-jpll", "a8a41b7ff3db2542"),
        ("siemens-inspiration-stereo-lcc", "1c696a996c931a34"),
        ("lumisys-film-sc-lmlo-j2ki", "acd3f082c6f4618f"),
        ("cbis-ddsm-film-sc-rcc-rle", "7a260f51c619c716"),
        ("film-lcc-rewrapped-j2kr", "e29418a425bb0f3f"),
    ],
)
def test_the_preparation_of_a_shipped_release_does_not_change_by_a_bit(
    real: Path, name: str, tensor: str
) -> None:
    """Another rendering needs another `version`, and a release made with it."""
    assert Preparation().version == "area2-linear/1"
    prepared = prepare(decode((real / f"{name}.dcm").read_bytes()), None, Preparation())
    assert hashlib.sha256(prepared.tensor.tobytes()).hexdigest()[:16] == tensor


def test_a_mirrored_real_image_under_its_old_header_goes_to_review(real: Path) -> None:
    image = decode((real / "ge-essential-rmlo-jpll.dcm").read_bytes())
    mirrored = replace(image, pixels=np.ascontiguousarray(image.pixels[:, ::-1]))
    assert prepare(mirrored, RIGHT, Preparation()).reviews == (Reason.REVIEW_SIDE_MISMATCH,)
    image.header.PatientOrientation = ["A", "FR"]
    both = prepare(mirrored, RIGHT, Preparation())
    assert (both.flags, both.reviews) == ((Flag.W_MIRRORED_BY_HEADER,), ())


def test_a_real_turned_image_is_turned_by_its_header(real: Path) -> None:
    image = decode((real / "siemens-inspiration-stereo-lcc.dcm").read_bytes())
    prepared = prepare(image, LEFT, Preparation())
    assert prepared.geometry.quarter_turns == 3
    assert Flag.W_TURNED in prepared.flags


def test_a_test_pattern_is_no_breast(syntaxes: Path) -> None:
    image = decode((syntaxes / "hdr-clunie-pixelspacing-testpattern-rcc.dcm").read_bytes())
    assert Reason.REVIEW_NO_BREAST in prepare(image, RIGHT, Preparation()).reviews
