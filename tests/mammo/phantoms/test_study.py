"""Sets and studies: quotas, truth, reproducibility, and two sizes that agree."""

from dataclasses import asdict
from datetime import date

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammo.phantoms import (
    Label,
    Resolution,
    StudyPlan,
    image_truth,
    insert,
    plan,
    render,
    study_truth,
)
from mammo.phantoms.detectability import WINDOW, fit_spectrum
from mammo.phantoms.machines import MACHINES
from mammo.phantoms.plan import labels
from mammo.prepare import Preparation, prepare_gray
from mammo.views import STANDARD

from .conftest import view_on


def test_24_studies_hold_at_least_10_malignant_ones():
    for seed in range(5):
        assert labels(24, seed).count(Label.MALIGNANT) >= 10


@given(n=st.integers(0, 200), seed=st.integers(0, 2**31))
def test_labels_follow_the_quota(n: int, seed: int):
    dealt = labels(n, seed)
    assert len(dealt) == n
    assert dealt.count(Label.MALIGNANT) == -(-n // 2)
    assert abs(dealt.count(Label.BENIGN) - 0.25 * n) <= 1


def test_labels_say_the_worst_lesion(some_plans: tuple[StudyPlan, ...]):
    for study in some_plans:
        found = [bad for _, breast in study.lesions for bad in breast]
        worst = Label.MALIGNANT if any(found) else Label.BENIGN if found else Label.NORMAL
        assert study.label is worst


def test_identities_are_unique_and_dates_lie_in_the_month(some_plans: tuple[StudyPlan, ...]):
    assert len({p.study_uid for p in some_plans}) == len(some_plans)
    assert len({p.patient.id for p in some_plans}) == len(some_plans)
    month = date(2025, 2, 3)
    assert all(0 <= (p.day - month).days < 28 for p in plan(24, 11, month))


def test_a_negative_number_of_studies_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        plan(-1, 0)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed of 0 or more"):
        plan(1, -1)


def test_a_study_is_drawn_the_same_again():
    (study,) = plan(1, 77)
    for a, b in zip(
        render(study, Resolution.WORKING), render(study, Resolution.WORKING), strict=True
    ):
        assert a.sop_instance_uid == b.sop_instance_uid
        assert np.array_equal(a.pixels, b.pixels)
        assert [(x.id, x.box) for x in a.lesions] == [(x.id, x.box) for x in b.lesions]


def test_studies_show_four_views_and_every_lesion_twice(some_plans: tuple[StudyPlan, ...]):
    for study in [p for p in some_plans if p.lesions][:2]:
        images = list(render(study, Resolution.WORKING))
        assert [(i.laterality, i.projection) for i in images] == list(STANDARD)
        wanted = {f"{side}{n}" for side, breast in study.lesions for n in range(1, len(breast) + 1)}
        for first, second in (images[:2], images[2:]):
            assert [x.id for x in first.lesions] == [x.id for x in second.lesions]
        assert {x.id for i in images for x in i.lesions} == wanted


@pytest.mark.slow
def test_no_planned_lesion_is_lost():
    for study in plan(60, 9):
        shown = [x.malignant for i in render(study, Resolution.WORKING) for x in i.lesions]
        planned = [bad for _, breast in study.lesions for bad in breast]
        assert sorted(shown) == sorted(2 * planned)


def test_truth_has_the_agreed_shape(some_plans: tuple[StudyPlan, ...]):
    study = next(p for p in some_plans if p.label is Label.MALIGNANT)
    images = [
        image_truth(i, f"{i.number}.dcm", lambda lesion: f"masks/{lesion.id}.png")
        for i in render(study, Resolution.WORKING)
    ]
    record = asdict(study_truth(study, images))
    assert set(record) == {"study_uid", "patient", "label", "density", "images"}
    assert record["label"] == "malignant"
    for image in record["images"]:
        assert set(image) == {"path", "sop_instance_uid", "laterality", "view", "lesions"}
        for lesion in image["lesions"]:
            assert set(lesion) == {
                "id",
                "kind",
                "malignant",
                "box",
                "detectability",
                "detectability_ske",
                "mask",
            }
            assert lesion["kind"] in ("mass", "calcification")
            assert 3 <= lesion["detectability"] <= 12


@pytest.mark.parametrize("model", ["D65", "D94S", "F80"])
def test_full_and_working_size_agree_once_prepared(model: str):
    """Mean, noise and texture slope of the prepared views."""
    seen = {}
    for resolution in Resolution:
        view = view_on(model, resolution=resolution, seed=21)
        first, second = (
            prepare_gray(insert(view, seed=n), Preparation(), view.laterality).tensor[0]
            for n in (0, 1)
        )
        rows, columns = first.shape
        y, x = rows // 3, columns // 8
        window = first[y : y + WINDOW, x : x + WINDOW].astype(np.float32)
        noise = (first.astype(np.float32) - second)[y : y + WINDOW, x : x + WINDOW]
        seen[resolution] = (
            float(window.mean()),
            float(noise.std()),
            fit_spectrum(cv2.GaussianBlur(window, (0, 0), 0.5), 0.0).beta,
        )
    full, working = seen[Resolution.FULL], seen[Resolution.WORKING]
    assert full[0] == pytest.approx(working[0], abs=2.5)
    assert full[1] == pytest.approx(working[1], rel=0.12)
    assert full[2] == pytest.approx(working[2], abs=0.15)


def test_the_machines_cover_both_depths_both_polarities_and_both_looks():
    used = {p.machine.model for p in plan(200, 1)}
    assert used == set(MACHINES)
    machines = MACHINES.values()
    assert {m.bits for m in machines} == {12, 14}
    assert {m.inverse for m in machines} == {False, True}
    assert len({m.look for m in machines}) == 2
