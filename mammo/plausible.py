"""Whether decoded pixels can be a picture at all: what cannot is never given a low score.

A decoder or a writer that fails silently leaves one or two values throughout, or noise. The
bounds are far from what mammograms show: of 1,545 real ones that were looked at, reduced ones
among them, the two commonest values took 90% at most, and neighbours correlate by 0.94 at least.
"""

import numpy as np
from numpy.typing import NDArray

from mammo.codes import Reason
from mammo.decode import Stored
from mammo.pixel_error import PixelError

STEP = 12  # one pixel in so many, each way: 60,000 of a large image
FLAT_SHARE = 0.995  # of the pixels with one or two values: a mask, a label, saturation
NOISE = 0.5  # correlation of neighbours


def check(pixels: Stored) -> None:
    """Raises PixelError(IMPLAUSIBLE_PIXELS) for pixels (rows, columns) that show nothing."""
    sample = pixels[::STEP, ::STEP]
    if _share_of_two(sample) >= FLAT_SHARE:
        raise PixelError(
            Reason.IMPLAUSIBLE_PIXELS, "all but 0.5% of the pixels have one or two values"
        )
    beside = pixels[::STEP, 1::STEP]
    if _correlation(sample[:, : beside.shape[1]], beside) < NOISE:
        raise PixelError(
            Reason.IMPLAUSIBLE_PIXELS, "neighbouring pixels have nothing to do with each other"
        )


def _share_of_two(sample: Stored) -> float:
    """The share of the two values that most pixels have."""
    counts = np.bincount(np.ascontiguousarray(sample).view(np.uint16).ravel())
    first = int(counts.argmax())
    most = int(counts[first])
    counts[first] = 0
    return (most + int(counts.max())) / sample.size


def _correlation(one: Stored, other: Stored) -> float:
    a: NDArray[np.float32] = one.astype(np.float32).ravel()
    b: NDArray[np.float32] = other.astype(np.float32).ravel()
    a -= a.mean()
    b -= b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 1.0
