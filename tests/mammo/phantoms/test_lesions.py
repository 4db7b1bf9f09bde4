"""Lesions: strength, place, masks, and the shapes that tell benign from malignant."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammo.codes import Kind
from mammo.phantoms import (
    Background,
    Resolution,
    StudyPlan,
    background,
    backgrounds,
    draw_lesion,
    draw_lesions,
    insert,
    lesion_mask,
)
from mammo.phantoms.detectability import resample, unit_detectability
from mammo.phantoms.lesions import Lesion, draw_strength, signal
from mammo.phantoms.shapes import CLUSTERS, MASSES, Morphology, mask, stamp
from mammo.views import Laterality

from .conftest import view_on


@given(seed=st.integers(0, 2**32))
def test_strength_lies_between_3_and_12(seed: int):
    assert 3 <= draw_strength(np.random.default_rng(seed)) <= 12


def test_the_median_strength_is_about_6():
    rng = np.random.default_rng(0)
    assert np.median([draw_strength(rng) for _ in range(2000)]) == pytest.approx(6, abs=0.2)


def test_benign_and_malignant_lesions_are_equally_strong(
    some_backgrounds: tuple[Background, ...],
):
    rng = np.random.default_rng(1)
    strength: dict[bool, list[float]] = {False: [], True: []}
    for view in some_backgrounds:
        for bad in (False, True) * 6:
            lesion = draw_lesion(rng, view, malignant=bad)
            if lesion is not None:
                strength[bad].append(lesion.detectability)
    assert len(strength[False]) > 50
    assert np.median(strength[False]) == pytest.approx(np.median(strength[True]), rel=0.25)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), malignant=st.booleans())
def test_a_box_is_the_bounding_box_of_its_mask(seed: int, malignant: bool):
    view = VIEW
    lesion = draw_lesion(np.random.default_rng(seed), view, malignant=malignant)
    if lesion is not None:
        x, y, width, height = cv2.boundingRect(lesion_mask(view, lesion))
        assert lesion.box == (x, y, x + width, y + height)
        assert (view.anatomy[y : y + height, x : x + width] > 0.02).mean() > 0.95


VIEW = view_on("D65", seed=3)


def test_both_views_show_a_lesion_with_the_same_id_at_the_same_depth(
    some_plans: tuple[StudyPlan, ...],
):
    for plan in some_plans[:3]:
        cc, mlo = backgrounds(plan, Resolution.WORKING)[:2]
        rng = np.random.default_rng(plan.index)
        in_cc, in_mlo = draw_lesions(rng, (cc, mlo), (True, False), prefix="L")
        assert [x.id for x in in_cc] == [x.id for x in in_mlo]
        assert in_cc
        for a, b in zip(in_cc, in_mlo, strict=True):
            assert (a.morphology, a.malignant) == (b.morphology, b.malignant)
            assert abs(a.depth - b.depth) <= 10  # mm: the clinical rule is one centimetre


def test_a_lesion_brightens_its_box_and_nothing_far_away():
    lesion = draw_lesion(np.random.default_rng(3), VIEW, malignant=False)
    assert lesion is not None
    with_it, without = insert(VIEW, [lesion]), insert(VIEW)
    changed = np.argwhere(with_it != without)
    patch, left, top = signal(VIEW, lesion)
    assert len(changed)
    assert (changed.min(axis=0) >= (top, left)).all()
    assert (changed.max(axis=0) < (top + patch.shape[0], left + patch.shape[1])).all()
    inside = lesion_mask(VIEW, lesion) > 0
    assert with_it[inside].mean() > without[inside].mean()


@pytest.mark.parametrize("malignant", [False, True])
def test_full_and_working_size_show_the_same_lesion(malignant: bool):
    full = view_on("D65", resolution=Resolution.FULL)
    working = view_on("D65", resolution=Resolution.WORKING)
    for seed in range(3):
        big = draw_lesion(np.random.default_rng(seed), full, malignant=malignant)
        small = draw_lesion(np.random.default_rng(seed), working, malignant=malignant)
        assert big is not None
        assert small is not None
        assert big.detectability == small.detectability
        assert big.contrast == small.contrast
        assert np.abs(np.array(big.box) / 2 - np.array(small.box)).max() <= 0.5
        patch, left, top = signal(full, big)
        coarse, left_2, top_2 = signal(working, small)
        assert (left, top) == (2 * left_2, 2 * top_2)
        assert patch.sum() / 4 == pytest.approx(coarse.sum(), rel=1e-3)


def solidity(picture: np.ndarray, morphology: Morphology) -> float:
    """Area over the area of the convex hull: 1 for a smooth outline."""
    cover = mask(picture, morphology).astype(np.uint8)
    outlines, _ = cv2.findContours(cover, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    return cv2.contourArea(largest) / cv2.contourArea(cv2.convexHull(largest))


def test_malignant_masses_have_rougher_outlines_than_benign_ones():
    found = {
        bad: [
            solidity(stamp(np.random.default_rng(s), m, 6.0, 0.13), m)
            for m in kinds
            for s in range(12)
        ]
        for bad, kinds in MASSES.items()
    }
    assert np.median(found[False]) > 0.95
    assert np.median(found[True]) < 0.92


def granules(picture: np.ndarray) -> list[tuple[float, float]]:
    """Area in pixels and elongation of each calcification of a stamp."""
    count, labels = cv2.connectedComponents((picture > 0.15).astype(np.uint8))
    out = []
    for n in range(1, count):
        points = np.argwhere(labels == n).astype(np.float32)
        if len(points) > 4:
            _, (a, b), _ = cv2.minAreaRect(points)
            out.append((float(len(points)), (max(a, b) + 1) / (min(a, b) + 1)))
    return out


def test_malignant_calcifications_vary_in_size_and_shape_and_punctate_ones_do_not():
    def spread(kind: Morphology) -> float:
        areas = [
            np.std(a) / np.mean(a)
            for a in (
                [g[0] for g in granules(stamp(np.random.default_rng(s), kind, 5.0, 0.065))]
                for s in range(10)
            )
        ]
        return float(np.mean(areas))

    assert spread(Morphology.PLEOMORPHIC) > 2 * spread(Morphology.PUNCTATE)


def test_fine_linear_calcifications_are_long():
    def length(kind: Morphology) -> float:
        return float(
            np.mean(
                [
                    g[1]
                    for s in range(10)
                    for g in granules(stamp(np.random.default_rng(s), kind, 5.0, 0.065))
                ]
            )
        )

    assert length(Morphology.LINEAR_BRANCHING) > 1.6 * length(Morphology.PUNCTATE)


@pytest.mark.parametrize("kind", [*MASSES[False], *MASSES[True], *CLUSTERS[False], *CLUSTERS[True]])
@pytest.mark.parametrize("radius", [2.0, 5.0, 14.0])
def test_stamps_are_even_sided_end_before_their_edge_and_peak_near_one(
    kind: Morphology, radius: float
):
    for seed in range(4):
        picture = stamp(np.random.default_rng(seed), kind, radius, 0.13)
        assert picture.shape[0] == picture.shape[1]
        assert picture.shape[0] % 2 == 0
        rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert rim.max() < 0.03
        assert 0.2 < picture.max() <= 1.4


def test_the_whole_signal_is_stronger_than_what_is_known_of_it():
    """Blurring a mass, or counting one speck of a cluster, only takes away."""
    gained = {kind: [] for kind in Kind}
    for seed in range(30):
        view = background(seed)
        rng = np.random.default_rng(seed)
        for bad in (False, True):
            lesion = draw_lesion(rng, view, malignant=bad)
            if lesion is not None:
                gained[lesion.kind].append(lesion.detectability_ske / lesion.detectability)
    assert min(gained[Kind.MASS]) >= 1
    assert np.median(gained[Kind.CALCIFICATION]) > 1.5  # several specks tell more than one


def test_a_typical_calcification_is_as_strong_as_stated_benign_or_malignant():
    """Each cut out of its cluster and measured alone, against the d' of the cluster."""
    ratios: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(60):
        view = background(seed)
        rng = np.random.default_rng(seed)
        for bad in (False, True):
            lesion = draw_lesion(rng, view, malignant=bad)
            if lesion is not None and lesion.morphology in GRANULAR:
                ratios[bad].append(alone(view, lesion) / lesion.detectability)
    for found in ratios.values():
        assert len(found) > 10
        assert np.median(found) == pytest.approx(1, abs=0.2)


GRANULAR = (
    Morphology.PUNCTATE,
    Morphology.SCATTERED,
    Morphology.PLEOMORPHIC,
    Morphology.SEGMENTAL,
)


def alone(view: Background, lesion: Lesion) -> float:
    """Root mean square d' of a cluster's calcifications, known exactly one by one."""
    middle = (np.array([lesion.left, lesion.top]) + lesion.picture.shape[0] / 2) * lesion.grid
    column, row = middle * view.machine.spacing
    if view.laterality is Laterality.RIGHT:
        column = view.outline.width - column
    spectrum = view.spectrum(column, row)
    scale = view.prepared_scale * lesion.grid / Resolution.WORKING
    visible = (lesion.picture > 0.2 * lesion.picture.max()).astype(np.uint8)
    # What lies between them goes to the nearest.
    _, nearest = cv2.distanceTransformWithLabels(1 - visible, cv2.DIST_L2, 5)
    each = [
        unit_detectability(
            resample(np.where(nearest == label, lesion.picture, np.float32(0)), scale), spectrum
        )
        for label in np.unique(nearest)
    ]
    return float(np.sqrt(np.mean(np.square(each))) * lesion.contrast)
