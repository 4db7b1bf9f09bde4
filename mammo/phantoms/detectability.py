"""Detectability of a known signal in its own background, for an ideal linear observer.

d'**2 = sum over frequencies of |S(f)|**2 / N(f): the prewhitened matched filter (H. H. Barrett,
K. J. Myers, "Foundations of Image Science", 2004, section 13.2). N is the power spectrum of the
texture, measured in a window around the place, plus white quantum noise. All of it at the prepared
resolution, which is what a model sees.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.texture import Field, as_field, radial_frequency

WINDOW = 128  # prepared pixels: about 25 mm, the neighbourhood that the texture is measured in
_BAND = (3 / WINDOW, 0.5)  # cycles a prepared pixel: from the window's leakage to the last ring
_RINGS = 12
_SLOPED = 8  # the rings that show the power law; above them resampling bends it


def halvings(scale: float) -> int:
    """How often `mammo.prepare` halves a grid before it interpolates to `scale`."""
    return max(0, math.floor(-math.log2(scale)))


def resample(field: Field, scale: float) -> Field:
    """A square field as preparation sees it: 2 x 2 means, then linear interpolation.

    The side is rounded to whole pixels.
    """
    side = max(8, round(field.shape[0] * scale))
    for _ in range(halvings(scale)):
        half = max(1, field.shape[0] // 2)
        field = as_field(cv2.resize(field, (half, half), interpolation=cv2.INTER_AREA))
    return as_field(cv2.resize(field, (side, side), interpolation=cv2.INTER_LINEAR))


def white_variance(deviation: float, scale: float) -> float:
    """Variance of a prepared pixel from white noise of `deviation` on a grid `scale` times finer.

    Each halving leaves a quarter. Linear interpolation at all phases alike leaves 2/3 along each
    axis: the mean of (1 - t)**2 + t**2.
    """
    return float(deviation**2 * 0.25 ** halvings(scale) * 4 / 9)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Power spectral density of texture and noise; frequencies in cycles a prepared pixel."""

    frequency: NDArray[np.float64]  # (rings,) growing
    power: NDArray[np.float64]  # (rings,) of the texture alone, variance a pixel
    beta: float  # the texture's exponent, by which it goes on below the first ring
    white: float  # variance of one prepared pixel's noise

    def density(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """N(f) on rfft2's grid, float64 (rows, columns // 2 + 1); infinite at zero frequency."""
        f = radial_frequency(shape).astype(np.float64)
        low = f < self.frequency[0]
        texture = np.exp(np.interp(np.log(np.maximum(f, 1e-6)), *self._logs()))
        with np.errstate(divide="ignore"):
            below = self.power[0] * (f / self.frequency[0]) ** -self.beta
        out: NDArray[np.float64] = np.where(low, below, texture) + self.white
        return out

    def _logs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.log(self.frequency), np.log(self.power)


@lru_cache(maxsize=1)
def _rings() -> tuple[NDArray[np.intp], NDArray[np.float64], Field]:
    """For each frequency of a window its ring (or the last: none), the rings' middles, the taper."""
    f = radial_frequency((WINDOW, WINDOW))
    ring = np.digitize(f, np.geomspace(*_BAND, _RINGS + 1)) - 1
    ring[(ring < 0) | (ring >= _RINGS)] = _RINGS
    hann = np.hanning(WINDOW).astype(np.float32)
    middles = np.array([np.exp(np.log(f[ring == i]).mean()) for i in range(_RINGS)], np.float64)
    return ring, middles, as_field(np.outer(hann, hann))


def fit_spectrum(window: Field, white: float) -> Spectrum:
    """The spectrum of a noise-free window, float32 (128, 128), at prepared resolution.

    white: variance of the noise that one prepared pixel will carry.
    """
    ring, middles, taper = _rings()
    rest = (window - np.average(window, weights=taper)) * taper
    power = np.abs(np.fft.rfft2(rest)) ** 2 / float((taper.astype(np.float64) ** 2).sum())
    counts = np.bincount(ring.ravel(), minlength=_RINGS + 1)[:_RINGS]
    mean = np.bincount(ring.ravel(), power.ravel(), minlength=_RINGS + 1)[:_RINGS] / counts + 1e-12
    sloped = slice(None, _SLOPED)
    weight = np.sqrt(counts[sloped])
    beta = -np.polyfit(np.log(middles[sloped]), np.log(mean[sloped]), 1, w=weight)[0]
    # an edge in the window must not run away with the slope
    return Spectrum(middles, mean, float(np.clip(beta, 1.5, 4.5)), white)


def unit_detectability(signal: Field, spectrum: Spectrum) -> float:
    """Detectability d' of a signal, float32 (rows, columns) of grey at prepared resolution."""
    size = max(signal.shape)
    padded = cv2.getOptimalDFTSize(size + size // 2)
    transform = np.fft.rfft2(signal, s=(padded, padded))
    ratio = np.abs(transform) ** 2 / spectrum.density((padded, padded))
    weight = np.full(ratio.shape[1], 2.0)
    weight[0] = 1
    if padded % 2 == 0:
        weight[-1] = 1
    return float(np.sqrt((ratio * weight).sum()) / padded)
