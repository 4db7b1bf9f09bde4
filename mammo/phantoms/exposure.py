"""From a background and lesions to stored pixels, and to the grey that a display shows."""

from collections.abc import Iterable
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo import voi
from mammo.phantoms.background import Background, Resolution
from mammo.phantoms.lesions import Lesion, paste, signal
from mammo.phantoms.machines import Look, Machine, Shown
from mammo.phantoms.marks import marks, soil
from mammo.phantoms.random import Stream, generator
from mammo.phantoms.texture import Field, as_field

_AIR = 0.012  # tissue grey below which there is no breast
_TOP = 1.25  # tissue grey at which stored values end
_WINDOWS = MappingProxyType(  # explanation: center, width in tissue grey
    {"NORMAL": (0.56, 0.74), "HARDER": (0.56, 0.56), "SOFTER": (0.55, 0.95)}
)
_LUT_BITS = 12


def _film(grey: Field, rng: np.random.Generator) -> Field:
    """The film's characteristic curve after Hurter and Driffield, as digitised: 0 black, 1 clear.

    Toe and shoulder flatten; the base never gets quite black, and is not quite even.
    """
    slope, middle = 4.8, 0.43
    low = 1 / (1 + np.exp(slope * middle))
    high = 1 / (1 + np.exp(slope * (middle - 1.15)))
    curve = 1 / (1 + np.exp(np.float32(slope) * (np.float32(middle) - grey)))
    fog = float(rng.uniform(0.01, 0.045))
    out = as_field(fog + np.float32((1 - fog) / (high - low)) * (curve - np.float32(low)))
    rows, columns = grey.shape
    tilt = np.linspace(0, rng.uniform(-0.02, 0.02), columns, dtype=np.float32)
    out += (
        tilt[None, :] + np.linspace(0, rng.uniform(-0.015, 0.015), rows, dtype=np.float32)[:, None]
    )
    return np.clip(out, 0, 1, out=out)


def stored(view: Background, lesions: Iterable[Lesion], seed: int) -> NDArray[np.uint16]:
    """Stored values, uint16 (rows, columns), of a view with its lesions.

    seed: of the noise, so that one background can be exposed again.
    """
    machine, shape = view.machine, view.shape
    rows, columns = shape
    if view.resolution is Resolution.WORKING:
        grey = view.anatomy.copy()
    else:
        grey = as_field(cv2.resize(view.anatomy, (columns, rows), interpolation=cv2.INTER_CUBIC))
    tissue = np.flatnonzero((view.anatomy > _AIR).any(axis=0))
    scale = Resolution.WORKING // view.resolution
    x0, x1 = int(tissue[0]) * scale, (int(tissue[-1]) + 1) * scale
    film = machine.look is Look.FILM
    breast = slice(None) if film else slice(x0, x1)
    part = grey[:, breast]
    air = part < _AIR
    for lesion in lesions:
        paste(grey, *signal(view, lesion))
    noise = generator(view.seed, Stream.NOISE, seed).standard_normal(part.shape, dtype=np.float32)
    level = part * np.float32(0.6)
    level += np.float32(0.8)
    level *= np.float32(machine.noise / view.resolution)
    noise *= level
    part += noise

    small_air = view.anatomy < _AIR
    if view.resolution is Resolution.WORKING:
        small_air = small_air[::2, ::2]
    overlays = marks(view, small_air)
    if film:
        for picture, top, left in overlays:
            under = grey[top : top + picture.shape[0], left : left + picture.shape[1]]
            np.maximum(under, picture, out=under)
        curved = _film(grey, generator(view.seed, Stream.MARKERS, 2))
        soil(view, curved)
        values = (curved * np.float32(machine.white) + np.float32(0.5)).astype(np.uint16)
    else:
        values = np.full(shape, machine.air, np.uint16)
        span = machine.white - machine.black
        np.clip(part, -0.05, _TOP, out=part)
        part *= np.float32(span)
        part += np.float32(machine.black + 0.5)
        np.clip(part, machine.air + 1, (1 << machine.bits) - 1, out=part)
        body = part.astype(np.uint16)
        body[air] = machine.air
        values[:, breast] = body
        for picture, top, left in overlays:
            spot = values[top : top + picture.shape[0], left : left + picture.shape[1]]
            ink = (machine.black + picture * span).astype(np.uint16)
            np.copyto(spot, ink, where=picture > 0.05)
    if machine.inverse:
        values = np.uint16((1 << machine.bits) - 1) - values
    return values


def presentation(machine: Machine) -> Dataset:
    """The attributes that say how stored values become grey (PS3.3 C.7.6.3, C.11.2)."""
    top = (1 << machine.bits) - 1
    out = Dataset()
    out.SamplesPerPixel = 1
    out.PhotometricInterpretation = "MONOCHROME1" if machine.inverse else "MONOCHROME2"
    out.BitsAllocated, out.BitsStored, out.HighBit = 16, machine.bits, machine.bits - 1
    out.PixelRepresentation = 0
    out.RescaleIntercept, out.RescaleSlope, out.RescaleType = "0", "1", "US"
    out.PresentationLUTShape = "INVERSE" if machine.inverse else "IDENTITY"
    if machine.padding is not None:
        out.PixelPaddingValue, out.PixelPaddingRangeLimit = machine.padding
    if machine.look is Look.FILM:
        out.WindowCenter, out.WindowWidth = str((top + 1) // 2), str(top + 1)
        return out
    span = machine.white - machine.black
    windows = {
        name: (machine.black + center * span, width * span)
        for name, (center, width) in _WINDOWS.items()
    }
    if machine.shown is Shown.LUT:
        out.VOILUTSequence = Sequence(
            [_lut_item(name, center, width, top) for name, (center, width) in windows.items()]
        )
        return out
    if machine.shown is Shown.LINEAR:
        windows = {"NORMAL": (machine.black + 0.54 * span, 1.0 * span)}
    centers = [top - c if machine.inverse else c for c, _ in windows.values()]
    out.WindowCenter = [f"{c:.0f}" for c in centers]
    out.WindowWidth = [f"{w:.0f}" for _, w in windows.values()]
    out.WindowCenterWidthExplanation = list(windows)
    out.VOILUTFunction = str(machine.shown)
    return out


def _lut_item(name: str, center: float, width: float, top: int) -> Dataset:
    """A VOI LUT of sigmoid shape over the values that differ from its ends."""
    first = max(0, round(center - 1.2 * width))
    last = min(top, round(center + 1.2 * width))
    inputs = np.arange(first, last + 1, dtype=np.float64)
    high = (1 << _LUT_BITS) - 1
    item = Dataset()
    item.add_new(0x00283002, "US", [len(inputs), first, _LUT_BITS])
    item.LUTExplanation = name
    entries = np.rint(voi.sigmoid(inputs, center, width) * high).astype("<u2")
    item.add_new(0x00283006, "OW", entries.tobytes())
    return item


def shown(machine: Machine, values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Grey as displayed, uint8 (rows, columns), 0 black, by the header's own presentation."""
    return voi.choose(presentation(machine), values).apply(values)


def insert(view: Background, lesions: Iterable[Lesion] = (), seed: int = 0) -> NDArray[np.uint8]:
    """The displayed picture of a background with lesions put in, uint8 (rows, columns).

    seed: of the noise, so that one background can be exposed again.
    """
    return shown(view.machine, stored(view, lesions, seed))
