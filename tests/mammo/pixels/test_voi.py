"""The grayscale chain, against pydicom's functions on real files and against the formulas."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.pixels import apply_voi, apply_windowing

from mammo import voi
from mammo.codes import Flag
from mammo.decode import decode
from mammo.voi import Voi, choose

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def header(**values: Any) -> Dataset:
    made = Dataset()
    made.BitsStored, made.BitsAllocated, made.HighBit = 12, 16, 11
    made.PixelRepresentation = 0
    made.PhotometricInterpretation = "MONOCHROME2"
    made.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def lut(descriptor: list[int], data: Any, vr: str = "US", explanation: str = "") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", vr, data)
    item.LUTExplanation = explanation
    return item


def curve(made: Dataset, pixels: np.ndarray = RAMP) -> list[int]:
    """What each pixel of the ramp becomes."""
    gray: list[int] = choose(made, pixels).apply(pixels).ravel().tolist()
    return gray


@pytest.fixture(scope="module")
def ge(real: Path) -> tuple[Dataset, np.ndarray]:
    decoded = decode((real / "ge-essential-rmlo-jpll.dcm").read_bytes())
    return decoded.header, decoded.pixels


def test_three_luts_of_ge_equal_its_three_sigmoid_windows(ge) -> None:
    made, _ = ge
    values = np.arange(4096, dtype=np.float64)
    luts, windows = list(voi._luts(made, values)), list(voi._windows(made, values))
    assert [o.explanation for o in luts] == ["NORMAL", "HARDER", "SOFTER"]
    for by_lut, by_window in zip(luts, windows, strict=True):
        inside = slice(625, 625 + 3447)  # first value and length by the descriptor
        assert np.abs(by_lut.output - by_window.output)[inside].max() * 4095 <= 0.5


def test_ge_read_as_linear_would_be_far_off(ge) -> None:
    made, pixels = ge
    values = np.arange(4096, dtype=np.float64)
    off = np.abs(voi.linear(values, 2653, 900) - next(voi._luts(made, values)).output) * 4095
    assert off[pixels[pixels > 30]].mean() > 100


def test_ge_takes_the_normal_lut_as_pydicom_applies_it(ge) -> None:
    made, pixels = ge
    chosen = choose(made, pixels)
    assert (chosen.choice, chosen.explanation, chosen.flags) == ("lut", "NORMAL", ())
    expected = np.rint(apply_voi(pixels, made, index=0) / 4095 * 255)
    tissue = pixels > 30  # 0 to 30 is padding
    assert np.array_equal(chosen.apply(pixels)[tissue], expected[tissue])
    assert not chosen.apply(pixels)[~tissue].any()


@pytest.mark.parametrize(
    ("name", "explanation"),
    [("film-lcc-rewrapped-j2kr", ""), ("siemens-inspiration-stereo-lcc", "linear LUT")],
)
def test_real_windows_are_as_pydicom_applies_them(real: Path, name: str, explanation: str) -> None:
    decoded = decode((real / f"{name}.dcm").read_bytes())
    chosen = choose(decoded.header, decoded.pixels)
    assert (chosen.choice, chosen.explanation, chosen.flags) == ("window", explanation, ())
    expected = np.rint(apply_windowing(decoded.pixels, decoded.header) / 4095 * 255)
    assert np.array_equal(chosen.apply(decoded.pixels), expected)


@given(
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    center=st.floats(-500, 5000),
    width=st.floats(1, 6000),
    slope=st.sampled_from([1, 0.5, 3]),
    intercept=st.sampled_from([0, -1024, 100.5]),
    white_low=st.booleans(),
)
def test_every_window_is_as_pydicom_applies_it(
    function: str, center: float, width: float, slope: float, intercept: float, white_low: bool
) -> None:
    made = header(
        VOILUTFunction=function,
        WindowCenter=f"{center:.8g}",
        WindowWidth=f"{width:.8g}",
        RescaleSlope=str(slope),
        RescaleIntercept=str(intercept),
        PhotometricInterpretation="MONOCHROME1" if white_low else "MONOCHROME2",
    )
    values = RAMP * float(made.RescaleSlope) + float(made.RescaleIntercept)
    if function == "SIGMOID":  # far out pydicom's exp overflows
        assume(
            np.abs(4 * (values - float(made.WindowCenter)) / float(made.WindowWidth)).max() < 700
        )
    low, high = intercept, 4095 * slope + intercept  # pydicom's output range
    expected = (apply_windowing(values, made) - low) / (high - low) * 255
    gray = choose(made, RAMP).apply(RAMP).astype(float)
    assert np.abs((255 - gray if white_low else gray) - expected).max() <= 0.5 + 1e-6


def test_the_formulas_of_the_standard_hold_at_their_corners() -> None:
    """PS3.3 C.11.2.1.2.1: center 2048 and width 4096 of 12 bit is the identity."""
    x = np.array([0.0, 2047.0, 2048.0, 4095.0])
    assert np.allclose(voi.linear(x, 2048, 4096), x / 4095)
    assert voi.linear(np.array([99.0, 99.5, 100.0]), 100, 1).tolist() == [0, 0, 1]
    assert voi.linear_exact(np.array([50.0, 100.0, 150.0]), 100, 100).tolist() == [0, 0.5, 1]
    assert voi.sigmoid(np.array([100.0]), 100, 7).tolist() == [0.5]
    assert math.isclose(voi.sigmoid(np.array([200.0]), 100, 400)[0], 1 / (1 + math.exp(-1)))


@pytest.mark.parametrize(
    ("centers", "widths", "black", "white"),
    [
        (["100", "3000"], ["0", "2"], 2999, 3001),  # width 0: next alternative
        (["100", "3000"], ["-5", "2"], 2999, 3001),
        (["3000", "9"], ["2"], 2999, 3001),  # numbers differ: pairs only
        ("3000", "1", 2999, 3000),
        ("2999.5", "1.5", 2998, 3000),
    ],
)
def test_a_window_without_sense_gives_way(centers, widths, black: int, white: int) -> None:
    made = header(WindowCenter=centers, WindowWidth=widths)
    gray = curve(made)
    assert (gray[black], gray[white]) == (0, 255)


@pytest.mark.parametrize(("center", "width"), [("NaN", "5"), ("5", "inf"), ("x", "5"), ("5", "")])
def test_a_window_that_is_no_number_is_no_window(center: str, width: str) -> None:
    made = header()
    made._dict[pydicom.tag.Tag("WindowCenter")] = raw("WindowCenter", center)
    made._dict[pydicom.tag.Tag("WindowWidth")] = raw("WindowWidth", width)
    chosen = choose(made, RAMP)
    assert (chosen.choice, chosen.flags) == ("none", (Flag.W_VOI_MISSING,))


def raw(keyword: str, value: str) -> pydicom.dataelem.RawDataElement:
    """As it comes out of a file: not looked at yet."""
    tag = pydicom.tag.Tag(keyword)
    return pydicom.dataelem.RawDataElement(
        tag, "DS", len(value), value.encode(), 0, is_implicit_VR=False, is_little_endian=True
    )


def test_a_function_name_may_be_padded_and_small() -> None:
    padded = header(WindowCenter="2000", WindowWidth="500", VOILUTFunction="LINEAR")
    padded["VOILUTFunction"]._value = " sigmoid "
    exact = header(WindowCenter="2000", WindowWidth="500", VOILUTFunction="SIGMOID")
    assert curve(padded) == curve(exact)
    assert choose(padded, RAMP).flags == ()


def test_an_unknown_function_is_linear_and_flagged() -> None:
    made = header(WindowCenter="2000", WindowWidth="500", VOILUTFunction="SAMPLED_SIGMOID")
    assert choose(made, RAMP).flags == (Flag.W_VOI_FUNCTION_UNKNOWN,)
    assert curve(made) == curve(header(WindowCenter="2000", WindowWidth="500"))


def test_the_alternative_called_normal_is_taken() -> None:
    made = header(
        WindowCenter=["500", "3000"],
        WindowWidth=["2", "2"],
        WindowCenterWidthExplanation=["HARDER", "NORMAL"],
    )
    assert choose(made, RAMP).explanation == "NORMAL"
    assert curve(made)[2000] == 0


def test_a_lut_goes_before_a_window() -> None:
    made = header(WindowCenter="2000", WindowWidth="500")
    made.VOILUTSequence = Sequence([lut([2, 100, 8], [0, 255])])
    assert choose(made, RAMP).choice == "lut"
    assert curve(made)[100:102] == [0, 255]


STEPS = [0, 10, 200, 255]


@pytest.mark.parametrize(
    ("vr", "data", "descriptor"),
    [
        ("US", STEPS, [4, 100, 8]),
        ("OW", np.array(STEPS, "<u2").tobytes(), [4, 100, 8]),
        ("OW", bytes(STEPS), [4, 100, 8]),  # two entries in a word
        ("US", [10 << 8, 255 << 8 | 200], [4, 100, 8]),  # the same, read as words
        ("OW", bytes(STEPS) + b"\0\0", [4, 100, 8]),  # and padded
    ],
)
def test_lut_data_come_in_many_forms(vr: str, data: Any, descriptor: list[int]) -> None:
    made = header(VOILUTSequence=Sequence([lut(descriptor, data, vr)]))
    gray = curve(made)
    assert gray[98:106] == [0, 0, 0, 10, 200, 255, 255, 255]
    assert choose(made, RAMP).flags == ()


def test_big_endian_lut_data_are_swapped() -> None:
    item = lut([4, 100, 16], (np.array(STEPS, ">u2") * 257).tobytes(), "OW")
    made = header(VOILUTSequence=Sequence([item]))
    made.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    assert curve(made)[100:104] == STEPS


def test_a_descriptor_of_zero_means_65536_entries() -> None:
    data = np.arange(65536, dtype="<u2").tobytes()
    made = header(BitsStored=16, HighBit=15, VOILUTSequence=Sequence([lut([0, 0, 16], data, "OW")]))
    pixels = np.array([[0, 65535], [32768, 1]], np.uint16)
    chosen = choose(made, pixels)
    assert chosen.flags == ()
    assert chosen.apply(pixels).tolist() == [[0, 255], [128, 0]]


def test_a_negative_first_value_that_came_as_unsigned() -> None:
    made = header(PixelRepresentation=1)
    made.VOILUTSequence = Sequence([lut([3, 65536 - 1000, 8], [5, 100, 255])])
    pixels = np.array([[-1001, -1000, -999, -998, 5]], np.int16)
    assert choose(made, pixels).apply(pixels).tolist() == [[5, 5, 100, 255, 255]]


def test_a_short_lut_is_used_and_flagged() -> None:
    made = header(VOILUTSequence=Sequence([lut([400, 100, 12], [0, 2000, 4095])]))
    assert choose(made, RAMP).flags == (Flag.W_LUT_SHORT,)
    assert curve(made)[99:105] == [0, 0, 125, 255, 255, 255]


@pytest.mark.parametrize(("bits", "most"), [(16, 4095), (8, 4095)])
def test_a_lut_of_another_depth_than_it_says_fills_the_range(bits: int, most: int) -> None:
    made = header(VOILUTSequence=Sequence([lut([2, 100, bits], [0, most])]))
    assert choose(made, RAMP).flags == (Flag.W_LUT_BITS,)
    assert curve(made)[101] == 255


def test_an_empty_lut_gives_way_to_the_window() -> None:
    made = header(WindowCenter="2048", WindowWidth="4096")
    made.VOILUTSequence = Sequence([lut([4, 0, 8], b"", "OW")])
    assert choose(made, RAMP).choice == "window"


def test_a_modality_lut_comes_first() -> None:
    made = header(WindowCenter="1.5", WindowWidth="2", VOILUTFunction="LINEAR_EXACT")
    made.ModalityLUTSequence = Sequence([lut([3, 10, 16], [0, 1, 3])])
    assert curve(made)[9:14] == [0, 0, 64, 255, 255]


@pytest.mark.parametrize(
    ("photometric", "shape", "ends", "flags"),
    [
        ("MONOCHROME2", "IDENTITY", (0, 255), ()),
        ("MONOCHROME1", "INVERSE", (255, 0), ()),
        ("MONOCHROME1", None, (255, 0), ()),
        ("MONOCHROME1", "IDENTITY", (255, 0), (Flag.W_POLARITY_CONFLICT,)),
        ("MONOCHROME2", "INVERSE", (0, 255), (Flag.W_POLARITY_CONFLICT,)),
    ],
)
def test_polarity_is_turned_once(photometric, shape, ends, flags) -> None:
    made = header(WindowCenter="2048", WindowWidth="4096", PhotometricInterpretation=photometric)
    if shape:
        made.PresentationLUTShape = shape
    gray = curve(made)
    assert (gray[0], gray[-1]) == ends
    assert choose(made, RAMP).flags == flags


def padded(photometric: str, background: int, **values: Any) -> tuple[Voi, np.ndarray]:
    """A third of background, the rest 1000 to 3000."""
    pixels = np.full((60, 60), background, np.uint16)
    pixels[20:] = np.linspace(1000, 3000, 40 * 60).reshape(40, 60)
    made = header(PhotometricInterpretation=photometric, WindowCenter="2000", WindowWidth="4000")
    for keyword, value in values.items():
        setattr(made, keyword, value)
    chosen = choose(made, pixels)
    return chosen, chosen.apply(pixels)


@pytest.mark.parametrize(
    ("photometric", "background", "value", "limit"),
    [
        ("MONOCHROME2", 0, 0, None),
        ("MONOCHROME2", 20, 0, 30),
        ("MONOCHROME2", 20, 30, 0),  # the limits in either order, both included
        ("MONOCHROME2", 30, 30, 0),
        ("MONOCHROME1", 4095, 4095, None),
        ("MONOCHROME1", 4000, 4000, 4095),
        ("MONOCHROME1", 0, 0, None),  # would be white: black after polarity
        ("MONOCHROME2", 4095, 4095, None),
    ],
)
def test_padding_is_black_after_polarity(photometric, background, value, limit) -> None:
    values = {"PixelPaddingValue": value}
    if limit is not None:
        values["PixelPaddingRangeLimit"] = limit
    chosen, gray = padded(photometric, background, **values)
    assert chosen.flags == ()
    assert not gray[:20].any()
    assert gray[40].all()


def test_padding_over_tissue_is_ignored_and_flagged() -> None:
    chosen, gray = padded("MONOCHROME2", 0, PixelPaddingValue=0, PixelPaddingRangeLimit=2600)
    assert chosen.flags == (Flag.W_PADDING_IMPLAUSIBLE,)
    assert gray[20].any()


def test_padding_of_everything_is_ignored_and_flagged() -> None:
    chosen, _ = padded("MONOCHROME2", 0, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)
    assert chosen.flags == (Flag.W_PADDING_IMPLAUSIBLE,)


def test_signed_padding_that_came_as_unsigned() -> None:
    pixels = np.full((60, 60), -2000, np.int16)
    pixels[20:] = np.linspace(-500, 1500, 40 * 60).reshape(40, 60)
    made = header(PixelRepresentation=1, WindowCenter="0", WindowWidth="8000")
    made.add_new("PixelPaddingValue", "US", 65536 - 2000)
    gray = choose(made, pixels).apply(pixels)
    assert not gray[:20].any()
    assert gray[20:].all()


def test_without_voi_the_used_range_is_shown_padding_left_out() -> None:
    pixels = np.full((60, 60), 0, np.uint16)
    pixels[20:] = np.linspace(1000, 3000, 40 * 60).reshape(40, 60)
    chosen = choose(header(PixelPaddingValue=0), pixels)
    assert (chosen.choice, chosen.flags) == ("none", (Flag.W_VOI_MISSING,))
    gray = chosen.apply(pixels)
    assert (gray[20, 0], gray[-1, -1]) == (0, 255)


@given(st.data())
def test_no_header_makes_it_raise(data: st.DataObject) -> None:
    keywords = (
        "WindowCenter", "WindowWidth", "VOILUTFunction", "PixelPaddingValue", "RescaleSlope",
        "PixelPaddingRangeLimit", "PresentationLUTShape", "VOILUTSequence", "ModalityLUTSequence",
        "WindowCenterWidthExplanation", "RescaleIntercept",
    )  # fmt: skip
    made = header()
    for keyword in data.draw(st.sets(st.sampled_from(keywords))):
        tag = pydicom.tag.Tag(keyword)
        made._dict[tag] = pydicom.dataelem.RawDataElement(
            tag,
            pydicom.datadict.dictionary_VR(tag).split(" ")[0],
            0,
            data.draw(st.binary(max_size=24)),
            0,
            is_implicit_VR=False,
            is_little_endian=True,
        )
    assert choose(made, RAMP).table.shape == (65536,)
