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


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of detector with its way of writing images."""

    model: str
    rows: int  # even, so that the working size is exactly half
    columns: int
    spacing: float  # mm at the detector
    bits: int  # Bits Stored
    look: Look
    shown: Shown
    inverse: bool  # MONOCHROME1: low values are white
    padding: tuple[int, int] | None  # Pixel Padding Value and Range Limit, stored values
    air: int  # stored value around the breast, before inversion
    black: int  # stored value of grey 0 of the tissue scale, before inversion
    white: int  # stored value of grey 1
    noise: float  # quantum noise or grain of one native pixel in fat, tissue grey


_D, _F = Look.DIGITAL, Look.FILM

MACHINES = MappingProxyType(
    {
        m.model: m
        for m in (
            Machine(
                "D65", 3328, 2560, 0.065, 12, _D, Shown.LINEAR, False, None, 0, 300, 3700, 0.016
            ),
            Machine(
                "D65L", 4096, 3328, 0.065, 12, _D, Shown.LINEAR, False, (0, 0), 0, 200, 3900, 0.016
            ),
            Machine(
                "D65N", 3328, 2560, 0.065, 14, _D, Shown.SIGMOID, True, None, 60, 1500, 14800, 0.015
            ),
            Machine(
                "D94",
                3062,
                2394,
                0.0941,
                12,
                _D,
                Shown.SIGMOID,
                False,
                (0, 30),
                12,
                420,
                3600,
                0.012,
            ),
            Machine(
                "D94S",
                2294,
                1914,
                0.0941,
                14,
                _D,
                Shown.LUT,
                False,
                (0, 60),
                25,
                1700,
                14200,
                0.012,
            ),
            Machine(
                "D94T", 2850, 2394, 0.0941, 12, _D, Shown.LUT, False, None, 4, 380, 3500, 0.013
            ),
            Machine("F80", 3000, 2250, 0.08, 12, _F, Shown.LINEAR, False, None, 0, 0, 4095, 0.020),
            Machine("F85", 2824, 2118, 0.085, 12, _F, Shown.LINEAR, True, None, 0, 0, 4095, 0.018),
        )
    }
)
SHARES = MappingProxyType(
    {
        "D65": 0.27, "D65L": 0.1, "D65N": 0.1, "D94": 0.14, "D94S": 0.12, "D94T": 0.07,
        "F80": 0.13, "F85": 0.07,
    }
)  # fmt: skip
