"""What the list is for: of malignant studies the plainest stand in its upper half."""

from pathlib import Path

import pytest

from mammo import phantoms
from tests.calls import adds_up, call

STUDIES, SEED = 24, 20261124  # training and calibration draw from other seeds (docs/training.md)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_eight_of_the_ten_plainest_malignant_studies_are_in_the_upper_half(tmp_path: Path) -> None:
    ended = call(
        "demo", "--studies", str(STUDIES), "--seed", str(SEED), "--json", "--quiet", cwd=tmp_path
    )
    assert ended.code == 0, ended.err
    adds_up(ended.json)
    assert not (tmp_path / ".nightread").exists()
    places = {item["study_uid"]: item["rank"] for item in ended.json["worklist"]["items"]}
    plans = phantoms.plan(STUDIES, SEED)
    assert set(places) == {plan.study_uid for plan in plans}
    strength = {
        plan.study_uid: max(
            lesion.detectability
            for image in phantoms.render(plan, phantoms.Resolution.WORKING)
            for lesion in image.lesions
            if lesion.malignant
        )
        for plan in plans
        if plan.label == "malignant"
    }
    assert len(strength) >= 10
    plainest = sorted(strength, key=lambda uid: -strength[uid])[:10]
    assert sum(places[uid] <= STUDIES // 2 for uid in plainest) >= 8
