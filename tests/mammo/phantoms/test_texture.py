"""Power-law fields have the power and the slope that they were asked for."""

import numpy as np
import pytest

from mammo.phantoms.texture import power_law, ridges


@pytest.mark.parametrize("beta", [2.0, 3.0, 4.0])
def test_power_falls_with_the_exponent_asked_for(beta: float):
    shape = (256, 320)
    power = np.zeros((256, 320))
    for seed in range(6):
        field = power_law(np.random.default_rng(seed), shape, beta, outer=80.0)
        power += np.abs(np.fft.fft2(field)) ** 2
    f = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(320)[None, :])
    band = (f > 0.04) & (f < 0.4)
    slope = np.polyfit(np.log(f[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.08)


def test_fields_have_unit_variance_on_average():
    variances = [
        float(power_law(np.random.default_rng(seed), (240, 240), 3.0, 30.0).var())
        for seed in range(40)
    ]
    assert np.mean(variances) == pytest.approx(1.0, abs=0.08)


def test_a_field_of_a_size_that_is_bad_for_transforms_has_that_size_all_the_same():
    assert power_law(np.random.default_rng(0), (211, 307), 3.0, 30.0).shape == (211, 307)


def test_ridges_are_bright_where_the_field_crosses_zero_and_nowhere_else():
    field = np.array([[-1.0, -0.1, 0.0, 0.1, 1.0]], np.float32)
    out = ridges(field, 0.2)[0]
    assert out[2] == 1
    assert out[0] == out[4] < 1e-6
