"""d' is what a matched filter really reaches, first on paper, then in noise, then in breasts."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mammo.phantoms import Background, background, draw_lesion
from mammo.phantoms.background import noise_level
from mammo.phantoms.detectability import (
    WINDOW,
    Spectrum,
    fit_spectrum,
    halvings,
    resample,
    unit_detectability,
    white_variance,
)
from mammo.phantoms.lesions import Lesion, known
from mammo.phantoms.texture import power_law


def blob(side: int, sigma: float) -> NDArray[np.float32]:
    at = np.arange(side, dtype=np.float32) - side / 2
    return np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * sigma**2)).astype(np.float32)


def white(deviation: float) -> Spectrum:
    return Spectrum(np.array([0.02, 0.5]), np.array([1e-15, 1e-15]), 3.0, deviation**2)


def test_in_white_noise_it_is_the_signals_norm_over_the_noise():
    signal = blob(40, 3.0)
    signal -= signal.mean()  # what lies at zero frequency does not count
    expected = np.linalg.norm(signal) / 0.5
    assert unit_detectability(signal, white(0.5)) == pytest.approx(expected, rel=0.01)


def test_it_grows_in_proportion_to_the_signal():
    signal, spectrum = blob(40, 3.0), white(0.1)
    once, thrice = (unit_detectability(signal * np.float32(k), spectrum) for k in (1, 3))
    assert thrice == pytest.approx(3 * once, rel=1e-4)


@pytest.mark.parametrize("beta", [2.5, 3.0, 3.5])
def test_the_slope_of_a_texture_is_measured(beta: float):
    slopes = [
        fit_spectrum(
            power_law(np.random.default_rng(seed), (256, 256), beta, 400.0)[:WINDOW, :WINDOW], 0.0
        ).beta
        for seed in range(20)
    ]
    assert np.mean(slopes) == pytest.approx(beta, abs=0.15)


@pytest.mark.parametrize("sigma", [1.2, 4.0, 9.0])
def test_a_matched_filter_in_flat_texture_reaches_it(sigma: float):
    """Monte Carlo: the filter's response to the signal, over its spread in noise alone."""
    rng = np.random.default_rng(8)
    signal, amplitude, deviation = blob(64, sigma), 0.05, 0.01
    windows = [power_law(rng, (448, 448), 3.0, 120.0) * np.float32(amplitude) for _ in range(10)]
    spectra = [fit_spectrum(w[:WINDOW, :WINDOW], deviation**2) for w in windows]
    claimed, reached = [], []
    for window, spectrum in zip(windows, spectra, strict=True):
        noisy = window + rng.normal(0, deviation, window.shape).astype(np.float32)
        claimed.append(unit_detectability(signal, spectrum))
        reached.append(_reached(signal, spectrum, noisy))
    assert np.mean(claimed) / np.mean(reached) == pytest.approx(1.0, abs=0.12)


def _reached(signal: NDArray[np.float32], spectrum: Spectrum, noise: NDArray[np.float32]) -> float:
    """Detectability of a signal by the linear filter made for it, over all places of a picture."""
    side = cv2.getOptimalDFTSize(2 * signal.shape[0])
    transform = np.fft.rfft2(signal, s=(side, side))
    kernel = np.fft.irfft2(transform / spectrum.density((side, side)), s=(side, side))
    shift = (side - signal.shape[0]) // 2
    kernel = np.roll(kernel, (shift, shift), axis=(0, 1))
    responses = cv2.filter2D(noise.astype(np.float64), cv2.CV_64F, kernel)
    inner = responses[side // 2 : -side // 2, side // 2 : -side // 2]
    framed = np.zeros((side, side))
    framed[shift : shift + signal.shape[0], shift : shift + signal.shape[1]] = signal
    return float((framed * kernel).sum() / inner.std())


@pytest.mark.parametrize("scale", [0.31, 0.37, 0.57, 0.77])
def test_noise_shrinks_by_preparation_as_reckoned(scale: float):
    noise = np.random.default_rng(3).normal(0, 1, (1200, 1200)).astype(np.float32)
    assert resample(noise, scale).var() == pytest.approx(white_variance(1.0, scale), rel=0.05)


@pytest.mark.parametrize(
    ("scale", "times"), [(1.2, 0), (0.9, 0), (0.51, 0), (0.5, 1), (0.26, 1), (0.25, 2)]
)
def test_halvings_are_those_of_preparation(scale: float, times: int):
    assert halvings(scale) == times


@pytest.mark.slow
def test_matched_filters_in_the_breasts_themselves_reach_the_stated_d():
    """The filter of what is known of each lesion, run over the prepared tissue around its place."""
    ratios = []
    for seed in range(70):
        view = background(seed)
        rng = np.random.default_rng(seed)
        tissue = _prepared_tissue(view, rng)
        for bad in (False, True, False, True):
            lesion = draw_lesion(rng, view, malignant=bad)
            reached = None if lesion is None else _reached_around(view, lesion, tissue)
            if lesion is not None and reached is not None:
                ratios.append(reached / lesion.detectability)
    assert len(ratios) > 30
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.percentile(ratios, 10) > 0.7
    assert np.percentile(ratios, 90) < 1.4


def _prepared_tissue(view: Background, rng: np.random.Generator) -> NDArray[np.float32]:
    dense, fat = noise_level(view.machine, 1.0), noise_level(view.machine, 0.0)
    level = dense * view.anatomy + fat * (1 - view.anatomy)
    grey = view.anatomy + rng.standard_normal(view.anatomy.shape).astype(np.float32) * level / 2
    scale = view.prepared_scale
    for _ in range(halvings(scale)):
        half = (grey.shape[1] // 2, grey.shape[0] // 2)
        grey, scale = cv2.resize(grey, half, interpolation=cv2.INTER_AREA), scale * 2
    out = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return out.astype(np.float32)


def _reached_around(view: Background, lesion: Lesion, tissue: NDArray[np.float32]) -> float | None:
    """None where the neighbourhood is cut by skin or the field's edge."""
    scale = view.prepared_scale * lesion.grid / 2
    shape = known(lesion.picture, lesion.morphology, view.machine.spacing * lesion.grid)
    signal = resample(shape * np.float32(lesion.contrast), scale)
    half = lesion.picture.shape[0] / 2
    x, y = (lesion.left + half) * scale, (lesion.top + half) * scale
    reach = 64 + signal.shape[0]
    x0, x1, y0, y1 = int(x - reach), int(x + reach), int(y - reach), int(y + reach)
    if min(x0, y0) < 0 or y1 > tissue.shape[0] or x1 > tissue.shape[1]:
        return None
    around = tissue[y0:y1, x0:x1]
    if around.min() < 0.08:
        return None
    mm = view.machine.spacing * lesion.grid
    canonical = (lesion.left + half) * mm
    if view.laterality == "R":
        canonical = view.outline.width - canonical
    return _reached(signal, view.spectrum(canonical, (lesion.top + half) * mm), around)
