"""Gaussian fields whose power falls with a power of the spatial frequency.

Mammograms have a power spectrum c / f**beta with beta about 3 (A. E. Burgess, F. L. Jacobson,
P. F. Judy, "Human observer detection experiments with mammograms and power-law noise",
Medical Physics 28, 2001).
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def as_field(values: Any) -> Field:
    """The values as float32: OpenCV's and numpy's own types are wider than what they return."""
    return np.asarray(values, np.float32)


def radial_frequency(shape: tuple[int, int]) -> Field:
    """Radial frequency, cycles a pixel, float32 (rows, columns // 2 + 1), as rfft2 orders it."""
    rows, columns = shape
    fy = np.fft.fftfreq(rows).astype(np.float32)
    fx = np.fft.rfftfreq(columns).astype(np.float32)
    return as_field(np.hypot(fy[:, None], fx[None, :]))


@lru_cache(maxsize=8)  # the bent sheets of every view have the same size
def _filter(shape: tuple[int, int], beta: float, outer: float) -> Field:
    """Amplitude filter of unit output variance; `outer` is the scale, in pixels, of the knee."""
    h = as_field((radial_frequency(shape) ** 2 + 1 / outer**2) ** (-beta / 4))
    h[0, 0] = 0
    weight = np.full(h.shape[1], 2, np.float32)  # rfft2 leaves out the mirrored half
    weight[0] = 1
    if shape[1] % 2 == 0:
        weight[-1] = 1
    variance = float((h.astype(np.float64) ** 2 * weight).sum()) / (shape[0] * shape[1])
    return as_field(h / np.sqrt(variance))


def power_law(rng: np.random.Generator, shape: tuple[int, int], beta: float, outer: float) -> Field:
    """A stationary field of zero mean and unit variance, float32 (rows, columns).

    beta: exponent of the power spectrum. outer: scale in pixels beyond which power is flat.
    """
    padded = (cv2.getOptimalDFTSize(shape[0]), cv2.getOptimalDFTSize(shape[1]))
    white = rng.standard_normal(padded, dtype=np.float32)
    spectrum = np.fft.rfft2(white) * _filter(padded, beta, outer)
    field = np.fft.irfft2(spectrum, s=padded)[: shape[0], : shape[1]]
    return np.ascontiguousarray(as_field(field))


def ridges(field: Field, width: float) -> Field:
    """Thin bright curves along the zero crossings of a unit-variance field, 0 to 1.

    They close around dark islands, as Cooper's ligaments close around fat lobules.
    """
    scaled = field * np.float32(1 / width)
    return as_field(np.exp(-scaled * scaled))
