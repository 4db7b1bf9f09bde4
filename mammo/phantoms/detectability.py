"""Detectability of a known signal in its own background, for an ideal linear observer.

d'**2 = sum over frequencies of |S(f)|**2 / N(f): the prewhitened matched filter (H. H. Barrett,
K. J. Myers, "Foundations of Image Science", 2004, section 13.2). N is the local texture, a power
law fitted to a window around the place, plus white quantum noise. All of it at the prepared
resolution, which is what a model sees.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.texture import Field, radial_frequency

WINDOW = 128  # prepared pixels: about 25 mm, the neighbourhood that the texture is measured in
_BAND = (3 / WINDOW, 0.22)  # cycles a prepared pixel: above the window's leakage, below resampling


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power spectral density c / f**beta + white; f in cycles a prepared pixel."""

    c: float
    beta: float
    white: float  # variance of one prepared pixel

    def density(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """N(f) on rfft2's grid, float64 (rows, columns // 2 + 1); infinite at zero frequency."""
        f = radial_frequency(shape).astype(np.float64)
        with np.errstate(divide="ignore"):
            out: NDArray[np.float64] = self.c * f**-self.beta + self.white
        return out


@lru_cache(maxsize=1)
def _rings() -> tuple[NDArray[np.intp], NDArray[np.float64], Field]:
    """For each frequency of a window its ring (or the last: none), the rings' middles, the taper."""
    f = radial_frequency((WINDOW, WINDOW))
    edges = np.geomspace(*_BAND, 11)
    ring = np.digitize(f, edges) - 1
    ring[(ring < 0) | (ring > 9)] = 10
    hann = np.hanning(WINDOW).astype(np.float32)
    middles = np.array([np.exp(np.log(f[ring == i]).mean()) for i in range(10)], np.float64)
    return ring, middles, np.outer(hann, hann)


def fit_spectrum(window: Field, white: float) -> Spectrum:
    """The power law of a noise-free window, float32 (128, 128), at prepared resolution.

    white: variance of the noise that one prepared pixel will carry.
    """
    ring, middles, taper = _rings()
    rest = (window - np.average(window, weights=taper)) * taper
    power = np.abs(np.fft.rfft2(rest)) ** 2 / float((taper.astype(np.float64) ** 2).sum())
    counts = np.bincount(ring.ravel(), minlength=11)[:10]
    mean = np.bincount(ring.ravel(), power.ravel(), minlength=11)[:10] / counts
    log_f, log_p = np.log(middles), np.log(mean + 1e-12)
    beta = float(-np.polyfit(log_f, log_p, 1, w=np.sqrt(counts))[0])
    beta = min(max(beta, 1.5), 4.5)  # an edge in the window must not run away with the fit
    c = float(np.exp(np.average(log_p + beta * log_f, weights=counts)))
    return Spectrum(c, beta, white)


def unit_detectability(signal: Field, spectrum: Spectrum) -> float:
    """d' of a signal, float32 (rows, columns) of grey at prepared resolution."""
    size = max(signal.shape)
    padded = cv2.getOptimalDFTSize(size + size // 2)
    transform = np.fft.rfft2(signal, s=(padded, padded)).astype(np.complex128)
    ratio = np.abs(transform) ** 2 / spectrum.density((padded, padded))
    weight = np.full(ratio.shape[1], 2.0)
    weight[0] = 1
    if padded % 2 == 0:
        weight[-1] = 1
    return float(np.sqrt((ratio * weight).sum()) / padded)
