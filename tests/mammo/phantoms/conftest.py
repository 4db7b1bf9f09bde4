"""Views and studies drawn once for all tests here."""

import cv2
import pytest

from mammo.phantoms import Background, Resolution, StudyPlan, background, plan
from mammo.phantoms.anatomy import Density, draw_tissue
from mammo.phantoms.background import compose
from mammo.phantoms.machines import MACHINES
from mammo.phantoms.outline import draw_breast
from mammo.phantoms.random import Stream, generator
from mammo.views import Laterality, Projection

cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def some_backgrounds() -> tuple[Background, ...]:
    """Working-size views of many machines, densities and breasts."""
    return tuple(background(seed) for seed in range(12))


@pytest.fixture(scope="session")
def some_plans() -> tuple[StudyPlan, ...]:
    return plan(24, seed=11)


def view_on(
    model: str,
    density: Density = Density.B,
    side: Laterality = Laterality.LEFT,
    projection: Projection = Projection.MLO,
    resolution: Resolution = Resolution.WORKING,
    seed: int = 5,
) -> Background:
    """A view on a machine of one's choice."""
    rng = generator(seed, Stream.BACKGROUND)
    return compose(
        seed,
        0,
        side,
        projection,
        machine=MACHINES[model],
        density=density,
        breast=draw_breast(rng),
        tissue=draw_tissue(rng, density),
        resolution=resolution,
    )
