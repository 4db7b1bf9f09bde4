"""Look-up tables as headers really hold them (PS3.3 C.11.1.1.1, C.11.2.1.1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo.lenient import read

Values = NDArray[np.float64]


class Lut(NamedTuple):
    """A LUT that could be read."""

    entries: NDArray[np.uint16]
    where: NDArray[np.int64]  # into entries, for each input
    bits: int  # of an entry, as described
    short: bool
    first: int  # the input that the first entry is for

    @property
    def described(self) -> int:
        """White, by the depth that the header describes."""
        return (1 << min(max(self.bits, 1), 16)) - 1

    @property
    def white(self) -> int:
        """The entry that is white: as described, unless the entries plainly say otherwise."""
        most = int(self.entries.max())
        if most > self.described:  # deeper than it says: the depth that holds its values
            return (1 << most.bit_length()) - 1
        return most if 0 < most < self.described / 4 else self.described


def read_lut(item: Dataset, inputs: Values, header: Dataset) -> Lut | None:
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
    return Lut(entries, index, bits, short, first)


def _words(item: Dataset, keyword: str, header: Dataset) -> NDArray[np.uint16]:
    """A US, SS or OW element, or bytes of unknown VR, as unsigned words."""
    value = read(item, keyword)
    if value is None:
        return np.zeros(0, np.uint16)
    if isinstance(value, bytes | bytearray):
        order = ">u2" if header.original_encoding[1] is False else "<u2"
        return np.frombuffer(value + b"\0" * (len(value) % 2), order).astype(np.uint16)
    try:
        return (np.atleast_1d(np.asarray(value, np.int64)) & 0xFFFF).astype(np.uint16)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0, np.uint16)
