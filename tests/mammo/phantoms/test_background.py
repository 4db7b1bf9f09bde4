"""Backgrounds look like breasts: side, outline, muscle, density, and what preparation finds."""

import numpy as np
import pytest

from mammo.phantoms import Background, background, insert
from mammo.phantoms.anatomy import Density
from mammo.phantoms.machines import MACHINES, SHARES
from mammo.prepare import Preparation, prepare_gray
from mammo.views import Laterality, Projection

from .conftest import view_on


def test_the_same_seed_gives_the_same_picture_and_another_gives_another():
    once, again, other = insert(background(4)), insert(background(4)), insert(background(5))
    assert np.array_equal(once, again)
    assert once.shape != other.shape or not np.array_equal(once, other)


def test_another_exposure_changes_the_noise_and_nothing_else():
    view = view_on("D65")
    first, second = (insert(view, seed=n).astype(np.float32) for n in (0, 1))
    difference = (first - second)[view.anatomy > 0.1]
    assert difference.std() > 1
    assert abs(difference.mean()) < 0.1


@pytest.mark.parametrize("side", list(Laterality))
@pytest.mark.parametrize("projection", [Projection.CC, Projection.MLO])
def test_right_breasts_hang_from_the_right_edge(side: Laterality, projection: Projection):
    view = view_on("D94", side=side, projection=projection)
    wall, air = (view.anatomy[:, 0], view.anatomy[:, -1])
    if side is Laterality.RIGHT:
        wall, air = air, wall
    assert (wall > 0.05).mean() > 0.3
    assert not (air > 0.05).any()


def test_preparation_finds_every_breast_on_its_side(some_backgrounds: tuple[Background, ...]):
    for view in some_backgrounds:
        found = prepare_gray(insert(view), Preparation(), view.laterality)
        assert found.side_clear
        assert found.side == ("right" if view.laterality is Laterality.RIGHT else "left")
        assert found.reviews == ()


def test_the_scale_that_d_is_stated_for_is_that_of_preparation(
    some_backgrounds: tuple[Background, ...],
):
    ratios = [
        prepare_gray(insert(view), Preparation(), view.laterality).geometry.scale
        / view.prepared_scale
        for view in some_backgrounds
    ]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.02)
    assert np.percentile(ratios, 5) > 0.8  # white bands of films widen the box of some


def test_only_oblique_views_show_the_muscle():
    assert view_on("D65", projection=Projection.CC).outline.pectoral is None
    view = view_on("D65", projection=Projection.MLO)
    corner = view.anatomy[10:60, 5:30].mean()
    assert corner > 1.4 * np.median(view.anatomy[view.anatomy > 0.05])


def test_denser_classes_show_more_gland():
    shares = []
    for density in Density:
        views = [view_on("D94S", density, seed=s, projection=Projection.CC) for s in range(2)]
        shares.append(np.mean([(v.anatomy > 0.36).sum() / (v.anatomy > 0.05).sum() for v in views]))
    assert shares == sorted(shares)
    assert shares[-1] > 3 * shares[0]


def test_every_machine_has_a_share():
    assert set(SHARES) == set(MACHINES)
    assert sum(SHARES.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("model", list(MACHINES))
def test_every_machine_halves_exactly_and_keeps_to_its_depth(model: str):
    machine = MACHINES[model]
    assert machine.shape[0] % 2 == machine.shape[1] % 2 == 0
    assert 0 <= machine.black < machine.white < 1 << machine.bits


def test_texture_falls_as_in_mammograms(some_backgrounds: tuple[Background, ...]):
    slopes = []
    for view in some_backgrounds:
        x, y = view.outline.place(0.45 * view.outline.nipple[0], 0.0)
        slopes.append(view.spectrum(x, y).beta)
    assert 2.5 < np.median(slopes) < 3.5
