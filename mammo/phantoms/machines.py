"""The machines of the phantoms: matrix, spacing, depth and habits of presentation.

Sizes and habits are those seen in real files and in an analysis of the RSNA 2023 set; names
are ours, because no vendor made these images.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Look(StrEnum):
    """How the picture was taken."""

    DIGITAL = "digital"
    FILM = "film"


class Shown(StrEnum):
    """What the header offers to map stored values to grey (PS3.3 C.11.2)."""

    LINEAR = "LINEAR"
    SIGMOID = "SIGMOID"
    LUT = "LUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One kind of detector with its way of writing images."""

    model: str
    shape: tuple[int, int]  # rows, columns; even, so that the working size is exactly half
    spacing: float  # mm at the detector
    bits: int  # Bits Stored
    shown: Shown
    black: int  # stored value of tissue grey 0, before inversion
    white: int  # stored value of tissue grey 1
    noise: float  # scale of a native pixel's quantum noise or grain, tissue grey
    look: Look = Look.DIGITAL
    inverse: bool = False  # MONOCHROME1: low values are white
    padding: tuple[int, int] | None = None  # Pixel Padding Value and Range Limit, stored values
    air: int = 0  # stored value around the breast, before inversion


_ALL = (
    Machine(
        model="D65", shape=(3328, 2560), spacing=0.065, bits=12, shown=Shown.LINEAR,
        black=300, white=3700, noise=0.034,
    ),
    Machine(
        model="D65L", shape=(4096, 3328), spacing=0.065, bits=12, shown=Shown.LINEAR,
        black=200, white=3900, noise=0.034, padding=(0, 0),
    ),
    Machine(
        model="D65N", shape=(3328, 2560), spacing=0.065, bits=14, shown=Shown.SIGMOID,
        black=1500, white=12800, noise=0.031, inverse=True, air=60,
    ),
    Machine(
        model="D94", shape=(3062, 2394), spacing=0.0941, bits=12, shown=Shown.SIGMOID,
        black=420, white=3300, noise=0.024, padding=(0, 30), air=12,
    ),
    Machine(
        model="D94S", shape=(2294, 1914), spacing=0.0941, bits=14, shown=Shown.LUT,
        black=1700, white=12800, noise=0.024, padding=(0, 60), air=25,
    ),
    Machine(
        model="D94T", shape=(2850, 2394), spacing=0.0941, bits=12, shown=Shown.LUT,
        black=380, white=3200, noise=0.027, air=4,
    ),
    Machine(
        model="F80", shape=(3000, 2250), spacing=0.08, bits=12, shown=Shown.LINEAR,
        black=0, white=4095, noise=0.024, look=Look.FILM,
    ),
    Machine(
        model="F85", shape=(2824, 2118), spacing=0.085, bits=12, shown=Shown.LINEAR,
        black=0, white=4095, noise=0.022, look=Look.FILM, inverse=True,
    ),
)  # fmt: skip
MACHINES = MappingProxyType({machine.model: machine for machine in _ALL})
SHARES = MappingProxyType(
    {
        "D65": 0.27, "D65L": 0.1, "D65N": 0.1, "D94": 0.14, "D94S": 0.12, "D94T": 0.07,
        "F80": 0.13, "F85": 0.07,
    }
)  # fmt: skip
