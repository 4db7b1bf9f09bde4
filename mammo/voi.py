"""From stored values to what a person is meant to see, as one look-up table.

Modality transform, VOI LUT or window, polarity and padding are composed over all 65,536 bit
patterns, so that an image costs one integer look-up and never becomes floating point.
Sources: PS3.3 C.7.6.3.1.2 (polarity), C.7.5.1.1.2 (padding), C.11.1 (modality), C.11.2 (VOI).
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo.codes import Flag
from mammo.decode import Stored

Choice = Literal["lut", "window", "none"]
Values = NDArray[np.float64]

PREFERRED = ("NORMAL", "DEFAULT", "STANDARD")  # explanations that name the usual rendering
SAMPLE = 4  # every fourth row and column is enough for a median
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


class Alternative(NamedTuple):
    """One rendering that the header offers; exactly one is applied (PS3.3 C.11.2)."""

    output: Values  # 0 to 1 for each stored value
    explanation: str
    flags: tuple[Flag, ...]


def choose(header: Dataset, pixels: Stored) -> Voi:
    """The rendering of `pixels` (rows, columns) that `header` asks for.

    The first usable LUT Sequence item, else window, is taken; one whose explanation says NORMAL,
    DEFAULT or STANDARD goes before its neighbours. With neither, the used range is shown. Values
    without sense (width zero, empty LUT, text for a number) make an alternative unusable; they
    never raise.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's texts hold values of the header
        return _choose(header, pixels)


def _choose(header: Dataset, pixels: Stored) -> Voi:
    stored = _domain(header, signed=pixels.dtype == np.int16)
    padded, flags = _padding(header, stored, pixels)
    values = _modality(header, stored)
    choice: Choice = "lut"
    offered = _luts(header, values)
    if not offered:
        choice, offered = "window", _windows(header, values)
    if not offered:
        choice = "none"
        offered = [_used_range(values, stored, padded, pixels)]
    chosen = next((o for o in offered if o.explanation.upper() in PREFERRED), offered[0])
    gray = np.rint(chosen.output * 255).astype(np.uint8)
    if _inverted(header):
        gray = 255 - gray
    if padded.any() and int(np.ptp(gray[padded])) > PADDING_SPAN:
        flags += (Flag.W_PADDING_IMPLAUSIBLE,)
    else:
        gray[padded] = 0
    if _polarity_conflict(header):
        flags += (Flag.W_POLARITY_CONFLICT,)
    table = np.zeros(1 << 16, np.uint8)
    table[stored & 0xFFFF] = gray
    return Voi(table, choice, chosen.explanation, flags + chosen.flags)


def _read(header: Dataset, keyword: str) -> Any:
    """A value, or None if it is missing, empty or not valid for its VR."""
    try:
        value = header.get(keyword)
    except Exception:  # noqa: BLE001 -- on values that are not valid for their VR pydicom raises anything
        return None
    return None if isinstance(value, str | bytes) and not value else value


def _numbers(header: Dataset, keyword: str) -> list[float]:
    value = _read(header, keyword)
    if value is None:
        return []
    try:
        several = [value] if isinstance(value, str | float | int) else list(value)
        return [float(v) for v in several]
    except (TypeError, ValueError):
        return []


def _texts(header: Dataset, keyword: str) -> list[str]:
    value = _read(header, keyword)
    if value is None:
        return []
    several = [value] if isinstance(value, str) else list(value)
    return [str(v).strip() for v in several]


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
    value = _numbers(header, "PixelPaddingValue")[:1]
    if not value:
        return nothing, ()
    limits = [*value, *_numbers(header, "PixelPaddingRangeLimit")[:1]]
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
    for item in _items(header, "ModalityLUTSequence"):
        lut = _lut(item, stored.astype(np.float64), header)
        if lut is not None:
            return lut.entries[lut.where].astype(np.float64)
    slope = _numbers(header, "RescaleSlope")[:1] or [1.0]
    intercept = _numbers(header, "RescaleIntercept")[:1] or [0.0]
    if not np.isfinite([*slope, *intercept]).all() or slope[0] == 0:
        slope, intercept = [1.0], [0.0]
    return stored.astype(np.float64) * slope[0] + intercept[0]


def _items(header: Dataset, keyword: str) -> list[Dataset]:
    value = _read(header, keyword)
    try:
        return [item for item in value or () if isinstance(item, Dataset)]
    except Exception:  # noqa: BLE001 -- a broken item
        return []


class Lut(NamedTuple):
    """A LUT that could be read."""

    entries: NDArray[np.uint16]
    where: NDArray[np.int64]  # into entries, for each input
    bits: int  # of an entry, as described
    short: bool


def _lut(item: Dataset, inputs: Values, header: Dataset) -> Lut | None:
    """LUT Descriptor and LUT Data (PS3.3 C.11.1.1.1, C.11.2.1.1); None if unusable."""
    descriptor = _words(item, "LUTDescriptor", header)
    entries = _words(item, "LUTData", header)
    if len(descriptor) != 3 or not len(entries):
        return None
    count, first, bits = (int(v) for v in descriptor)
    count = count or 1 << 16
    if first >= 1 << 15 and inputs.min() < 0:  # a signed first value that came as unsigned
        first -= 1 << 16
    if len(entries) < count <= 2 * len(entries) and bits <= 8:
        entries = entries.astype("<u2").view(np.uint8).astype(np.uint16)  # two in a word
    short = len(entries) < count
    entries = entries[:count]
    index = np.clip(np.rint(inputs).astype(np.int64) - first, 0, len(entries) - 1)
    return Lut(entries, index, bits, short)


def _words(item: Dataset, keyword: str, header: Dataset) -> NDArray[np.uint16]:
    """A US, SS or OW element, or bytes of unknown VR, as unsigned words."""
    value = _read(item, keyword)
    if value is None:
        return np.zeros(0, np.uint16)
    if isinstance(value, bytes | bytearray):
        order = ">u2" if header.original_encoding[1] is False else "<u2"
        return np.frombuffer(value + b"\0" * (len(value) % 2), order).astype(np.uint16)
    try:
        return (np.atleast_1d(np.asarray(value, np.int64)) & 0xFFFF).astype(np.uint16)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0, np.uint16)


def _luts(header: Dataset, values: Values) -> list[Alternative]:
    offered = []
    for item in _items(header, "VOILUTSequence"):
        lut = _lut(item, values, header)
        if lut is None:
            continue
        flags = [Flag.W_LUT_SHORT] if lut.short else []
        top, most = (1 << min(max(lut.bits, 1), 16)) - 1, int(lut.entries.max())
        if most > top:  # deeper than it says: the depth that holds its values
            top = (1 << most.bit_length()) - 1
            flags.append(Flag.W_LUT_BITS)
        elif most < top / 4 and most > 0:  # shallower than it says
            top = most
            flags.append(Flag.W_LUT_BITS)
        explanation = " ".join(_texts(item, "LUTExplanation"))
        offered.append(Alternative(lut.entries[lut.where] / top, explanation, tuple(flags)))
    return offered


def _windows(header: Dataset, values: Values) -> list[Alternative]:
    function = " ".join(_texts(header, "VOILUTFunction")).upper() or "LINEAR"
    flags = () if function in FUNCTIONS else (Flag.W_VOI_FUNCTION_UNKNOWN,)
    shape, narrowest = FUNCTIONS.get(function, FUNCTIONS["LINEAR"])
    explanations = _texts(header, "WindowCenterWidthExplanation")
    pairs = zip(_numbers(header, "WindowCenter"), _numbers(header, "WindowWidth"), strict=False)
    return [
        Alternative(
            shape(values, center, width),
            explanations[nth] if nth < len(explanations) else "",
            flags,
        )
        for nth, (center, width) in enumerate(pairs)
        if np.isfinite([center, width]).all() and width > 0 and width >= narrowest
    ]


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
    output = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return Alternative(output, "", (Flag.W_VOI_MISSING,))


def _inverted(header: Dataset) -> bool:
    return _texts(header, "PhotometricInterpretation")[:1] == ["MONOCHROME1"]


def _polarity_conflict(header: Dataset) -> bool:
    shape = " ".join(_texts(header, "PresentationLUTShape")).upper()
    return shape in ("INVERSE", "IDENTITY") and (shape == "INVERSE") is not _inverted(header)
