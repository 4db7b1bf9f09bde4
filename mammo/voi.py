"""From stored values to what a person is meant to see, as one look-up table.

Modality transform, VOI LUT or window, polarity and padding are composed over all 65,536 bit
patterns, so that an image costs one integer look-up and never becomes floating point.
Sources: PS3.3 C.7.6.3.1.2 (polarity), C.7.5.1.1.2 (padding), C.11.1 (modality), C.11.2 (VOI).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo.codes import Flag
from mammo.decode import Stored
from mammo.lenient import items, numbers, texts
from mammo.lut import Values, read_lut

Choice = Literal["lut", "window", "none"]

PREFERRED = ("NORMAL", "DEFAULT", "STANDARD")  # explanations that name the usual rendering
SAMPLE = 8  # every eighth row and column is enough for a median
PADDING_SPAN = 32  # displayed grays: a range that is wider to the eye covers tissue
PADDING_LIMIT = 0.98  # share of an image that padding can fill and leave something to see


@dataclass(frozen=True, slots=True, eq=False)
class Voi:
    """The grayscale rendering of one image."""

    table: NDArray[np.uint8]  # (65536,), indexed by a stored value's 16-bit pattern
    choice: Choice
    explanation: str  # the header's own word for the choice, or ""
    flags: tuple[Flag, ...]

    def apply(self, pixels: Stored) -> NDArray[np.uint8]:
        """Stored values (rows, columns) as grays of the same shape, 0 black."""
        return np.asarray(cv2.LUT(pixels.view(np.uint16), self.table), np.uint8)


class Window(NamedTuple):
    """A window of modality values, and the function that it is put into (PS3.3 C.11.2.1.2)."""

    function: str  # a key of FUNCTIONS
    center: float
    width: float


class Alternative(NamedTuple):
    """One rendering that the header offers; exactly one is applied (PS3.3 C.11.2)."""

    output: Values  # 0 to 1 for each stored value
    explanation: str
    flags: tuple[Flag, ...]
    window: Window | None = None  # None: a LUT


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """The rendering of one image, at full depth: before it becomes eight bits."""

    stored: NDArray[np.int64]  # every value that Bits Stored allows, ascending
    values: Values  # what the modality transform makes of each
    padded: NDArray[np.bool_]  # which of them are padding, and shown black
    choice: Choice
    chosen: Alternative
    inverted: bool  # low values are bright
    flags: tuple[Flag, ...]


def choose(header: Dataset, pixels: Stored) -> Voi:
    """The rendering of `pixels` (rows, columns) that `header` asks for.

    The first usable LUT Sequence item, else window, is taken; one whose explanation says NORMAL,
    DEFAULT or STANDARD goes before its neighbours. With neither, the used range is shown. Values
    without sense (width zero, empty LUT, text for a number) make an alternative unusable; they
    never raise.
    """
    return in_gray(render(header, pixels))


def render(header: Dataset, pixels: Stored) -> Rendering:
    """What `choose` takes, at full depth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's texts hold values of the header
        return _render(header, pixels)


def in_gray(rendering: Rendering) -> Voi:
    """A rendering as grays of eight bits."""
    gray = _gray(rendering.chosen, inverted=rendering.inverted)
    gray[rendering.padded] = 0
    table = np.zeros(1 << 16, np.uint8)
    table[rendering.stored & 0xFFFF] = gray
    return Voi(table, rendering.choice, rendering.chosen.explanation, rendering.flags)


def _gray(chosen: Alternative, *, inverted: bool) -> NDArray[np.uint8]:
    """The gray of each stored value, were none of them padding."""
    gray = np.asarray(np.rint(chosen.output * 255), np.uint8)
    return 255 - gray if inverted else gray


def _render(header: Dataset, pixels: Stored) -> Rendering:
    stored = _domain(header, signed=pixels.dtype == np.int16)
    padded, flags = _padding(header, stored, pixels)
    values = _modality(header, stored)
    choice: Choice = "lut"
    chosen = next(_luts(header, values), None)
    if chosen is None:
        choice, chosen = "window", next(_windows(header, values), None)
    if chosen is None:
        choice, chosen = "none", _used_range(values, stored, padded, pixels)
    inverted = _inverted(header)
    if padded.any() and int(np.ptp(_gray(chosen, inverted=inverted)[padded])) > PADDING_SPAN:
        padded = np.zeros(len(stored), np.bool_)
        flags += (Flag.W_PADDING_IMPLAUSIBLE,)
    if _polarity_conflict(header):
        flags += (Flag.W_POLARITY_CONFLICT,)
    flags += chosen.flags
    return Rendering(stored, values, padded, choice, chosen, inverted, flags)


def _domain(header: Dataset, *, signed: bool) -> NDArray[np.int64]:
    """Every value that Bits Stored allows."""
    bits = int(header.BitsStored)
    return np.arange(-(1 << bits - 1), 1 << bits - 1) if signed else np.arange(1 << bits)


def _padding(
    header: Dataset, stored: NDArray[np.int64], pixels: Stored
) -> tuple[NDArray[np.bool_], tuple[Flag, ...]]:
    """Which stored values are padding, both limits included, in either order.

    A range that fills the image, or reaches into the brighter half of what it leaves, covers
    tissue by mistake and is ignored. Outside the range of all other values it does no harm.
    """
    nothing = np.zeros(len(stored), np.bool_)
    value = numbers(header, "PixelPaddingValue")[:1]
    if not value:
        return nothing, ()
    limits = [*value, *numbers(header, "PixelPaddingRangeLimit")[:1]]
    if not np.isfinite(limits).all():
        return nothing, ()
    wrap = 1 << 16  # a wrong VR delivers a signed value as unsigned, and the other way round
    if pixels.dtype == np.int16:
        limits = [v - wrap if v >= wrap // 2 else v for v in limits]
    else:
        limits = [v + wrap if v < 0 else v for v in limits]
    low, high = min(limits), max(limits)
    some = pixels[::SAMPLE, ::SAMPLE] if pixels.size > 1 << 16 else pixels
    inside = (some >= low) & (some <= high)
    rest = some[~inside]
    if rest.size < (1 - PADDING_LIMIT) * some.size:
        return nothing, (Flag.W_PADDING_IMPLAUSIBLE,)
    median = float(np.median(rest))
    covers = low <= median if _inverted(header) else high >= median
    if covers and low <= rest.max() and high >= rest.min():
        return nothing, (Flag.W_PADDING_IMPLAUSIBLE,)
    return (stored >= low) & (stored <= high), ()


def _modality(header: Dataset, stored: NDArray[np.int64]) -> Values:
    """Modality LUT or rescale; by default the stored values themselves."""
    for item in items(header, "ModalityLUTSequence"):
        lut = read_lut(item, stored.astype(np.float64), header)
        if lut is not None:
            return lut.entries[lut.where].astype(np.float64)
    slope = numbers(header, "RescaleSlope")[:1] or [1.0]
    intercept = numbers(header, "RescaleIntercept")[:1] or [0.0]
    if not np.isfinite([*slope, *intercept]).all() or slope[0] == 0:
        slope, intercept = [1.0], [0.0]
    return stored.astype(np.float64) * slope[0] + intercept[0]


def _unusual(explanation: str) -> bool:
    """Sorts the usual rendering to the front, and leaves the order as it is otherwise."""
    return explanation.upper() not in PREFERRED


def _luts(header: Dataset, values: Values) -> Iterator[Alternative]:
    """The LUTs that can be used, the one to prefer first; each is read when asked for."""
    named = [(" ".join(texts(i, "LUTExplanation")), i) for i in items(header, "VOILUTSequence")]
    for explanation, item in sorted(named, key=lambda pair: _unusual(pair[0])):
        lut = read_lut(item, values, header)
        if lut is None:
            continue
        flags = [Flag.W_LUT_SHORT] if lut.short else []
        if lut.white != lut.described:
            flags.append(Flag.W_LUT_BITS)
        yield Alternative(lut.entries[lut.where] / lut.white, explanation, tuple(flags))


def _windows(header: Dataset, values: Values) -> Iterator[Alternative]:
    """The windows that can be used, the one to prefer first."""
    function = " ".join(texts(header, "VOILUTFunction")).upper() or "LINEAR"
    flags = () if function in FUNCTIONS else (Flag.W_VOI_FUNCTION_UNKNOWN,)
    shape, narrowest = FUNCTIONS.get(function, FUNCTIONS["LINEAR"])
    named = chain(texts(header, "WindowCenterWidthExplanation"), repeat(""))
    offered = zip(
        named, numbers(header, "WindowCenter"), numbers(header, "WindowWidth"), strict=False
    )
    for explanation, center, width in sorted(offered, key=lambda offer: _unusual(offer[0])):
        if np.isfinite([center, width]).all() and width > 0 and width >= narrowest:
            window = Window(function if function in FUNCTIONS else "LINEAR", center, width)
            yield Alternative(shape(values, center, width), explanation, flags, window)


def linear(x: Values, center: float, width: float) -> Values:
    """PS3.3 C.11.2.1.2.1, 0 to 1. Width 1 is a threshold."""
    if width == 1:
        return (x > center - 0.5).astype(np.float64)
    return np.clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def linear_exact(x: Values, center: float, width: float) -> Values:
    """PS3.3 C.11.2.1.3.2, 0 to 1."""
    return np.clip((x - center) / width + 0.5, 0, 1)


def sigmoid(x: Values, center: float, width: float) -> Values:
    """PS3.3 C.11.2.1.3.1, 0 to 1."""
    steep = np.clip(-4 * (x - center) / width, -700, 700)  # exp must not overflow
    result: Values = 1 / (1 + np.exp(steep))
    return result


FUNCTIONS = {
    "LINEAR": (linear, 1.0),
    "LINEAR_EXACT": (linear_exact, 0.0),
    "SIGMOID": (sigmoid, 0.0),
}


def _used_range(
    values: Values, stored: NDArray[np.int64], padded: NDArray[np.bool_], pixels: Stored
) -> Alternative:
    """From the least to the greatest value in the image, padding left out."""
    first = int(stored[0])
    used = np.zeros(len(stored), np.bool_)
    used[int(pixels.min()) - first], used[int(pixels.max()) - first] = True, True
    if (padded & used).any():
        used[:] = False
        used[np.unique(pixels).astype(np.int64) - first] = True
        used &= ~padded
    low, high = values[used].min(), values[used].max()
    width = max(high - low, 1e-9)
    output = np.clip((values - low) / width, 0, 1)
    window = Window("LINEAR_EXACT", float(low + high) / 2, float(width))
    return Alternative(output, "", (Flag.W_VOI_MISSING,), window)


def _inverted(header: Dataset) -> bool:
    return texts(header, "PhotometricInterpretation")[:1] == ["MONOCHROME1"]


def _polarity_conflict(header: Dataset) -> bool:
    shape = " ".join(texts(header, "PresentationLUTShape")).upper()
    return shape in ("INVERSE", "IDENTITY") and (shape == "INVERSE") is not _inverted(header)
