"""A tiny training from nothing to a release, killed and taken up again on the way."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from mammo.prepare import Preparation
from mammo.scoring import Calibration, logit
from tests.training.tiny import TINY
from training import calibrate, loop, material, mining, recipe, release
from training.datasets.record import Lesion, Split
from training.datasets.store import Store, View
from training.evaluation import roc
from training.evaluation.predictions import Case, Prediction
from training.exported import Found
from training.networks.classifier import BENIGN, MALIGNANT, NOTHING
from training.recipe import Stage
from triton_repo import release as releases

pytestmark = pytest.mark.train


class Line(nn.Module):
    """The smallest thing that the loop can train."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(2, 2)
        self.head = nn.Linear(2, 1)


def stage(steps: int) -> Stage:
    return Stage(
        seed=1,
        steps=steps,
        batch=4,
        learning_rate=0.05,
        backbone_share=0.5,
        weight_decay=0.0,
        average=0.9,
        frozen_stages=0,
    )


def loss_of(model: Line, step: int) -> torch.Tensor:
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
    return (model.head(model.backbone(x))[:, 0] - x.sum(1)).square().mean()


def test_a_run_that_was_killed_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    whole, broken = Line(), Line()
    loop.train(whole, lambda s: loss_of(whole, s), stage(12), tmp_path / "a", "line")

    def dies(step: int) -> torch.Tensor:
        if step == 7:
            raise KeyboardInterrupt
        return loss_of(broken, step)

    with pytest.raises(KeyboardInterrupt):
        loop.train(broken, dies, stage(12), tmp_path / "b", "line")
    again = Line()
    loop.train(again, lambda s: loss_of(again, s), stage(12), tmp_path / "b", "line")
    for model, folder in ((whole, "a"), (again, "b")):
        loop.averaged(model, tmp_path / folder, "line")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    model = Line()
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        loop.train(model, lambda _: loss_of(model, 0) * torch.nan, stage(12), tmp_path, "line")


def test_the_learning_rate_rises_once_and_falls() -> None:
    rates = [loop.one_cycle(step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 10
    assert rates[0] < 0.1
    assert rates[-1] < 0.02
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_auc_equals_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        y = rng.integers(0, 2, 40)
        y[:2] = 0, 1
        score = rng.integers(0, 8, 40) / 8
        assert roc.auc(y, score) == pytest.approx(roc_auc_score(y, score))


def test_calibration_recovers_the_odds_it_was_drawn_from() -> None:
    rng = np.random.default_rng(0)
    truth = Calibration(-1.0, 0.5, 1.2, 0.3, 1.5)
    cases = []
    for _ in range(4000):
        detection, lesion, malignancy = rng.uniform(0.05, 0.95, 3)
        odds = -1.0 + 0.5 * logit(detection) + 1.2 * logit(lesion)
        worse = 0.3 + 1.5 * logit(malignancy)
        there = rng.random() < 1 / (1 + np.exp(-odds))
        malignant = bool(rng.random() < 1 / (1 + np.exp(-worse)))
        lesions = (Lesion((0, 0, 10, 10), "mass", malignant=malignant),) if there else ()
        view = View("s", "n", "p", "L", "CC", Split.VALIDATION, False, lesions, (), ())
        found = Prediction(
            np.array([[2.0, 2.0, 8.0, 8.0]]),
            np.array([detection]),
            np.array([0]),
            np.array([lesion]),
            np.array([malignancy]),
        )
        cases.append(Case(view, found))
    fitted = asdict(calibrate.fit([cases]))
    assert fitted == pytest.approx(asdict(truth), abs=0.2)


def test_views_are_calibrated_from_their_worst_finding_and_the_look_at_the_whole() -> None:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(6000):
        detection, suspicion = rng.uniform(0.02, 0.98, 2)
        odds = -0.5 + 0.8 * logit(detection) + 1.2 * logit(suspicion)
        malignant = bool(rng.random() < 1 / (1 + np.exp(-odds)))
        # A lesion as often as the detector says, malignant always: its probability is its own.
        there = rng.random() < detection
        lesions = (Lesion((0, 0, 10, 10), "mass", malignant=True),) if there else ()
        view = View("s", "n", "p", "L", "CC", Split.VALIDATION, malignant, lesions, (), ())
        one = np.array([[2.0, 2.0, 8.0, 8.0]])
        half = np.array([0.5])
        found = Prediction(
            one, np.array([detection]), np.array([0]), half, half, suspicion=suspicion
        )
        cases.append(Case(view, found))
    # Malignancy needs both outcomes to be fitted.
    benign = (Lesion((0, 0, 10, 10), "mass", malignant=False),)
    cases[0] = replace(cases[0], view=replace(cases[0].view, lesions=benign))
    fitted = calibrate.fit([cases])
    assert fitted.view is not None
    assert asdict(fitted.view) == pytest.approx(
        {"intercept": -0.5, "findings": 0.8, "suspicion": 1.2}, abs=0.12
    )
    assert calibrate.read(json.loads(json.dumps(asdict(fitted)))) == fitted


def test_a_false_alarm_touches_no_lesion_and_the_worst_come_first() -> None:
    boxes = np.array([[0, 0, 20, 20], [40, 40, 60, 60], [70, 70, 90, 90]] + [[99, 9, 110, 20]] * 4)
    found = Found(boxes.astype(np.float64), np.linspace(0.9, 0.1, 7), np.zeros(7, np.int64))
    lesion = Lesion((15, 15, 30, 30), "mass", malignant=True)
    view = View(
        "s", "n", "p", "L", "CC", Split.TRAIN, True, (lesion,), ((85.0, 85.0, 99.0, 99.0),), ()
    )
    marked = mining.marks(lambda _: found, Store([view], np.zeros((1, 128, 128))), [0], 2)
    assert [box[0] for _, box, _ in marked] == [40, 99, 99, 99]
    assert {outcome for *_, outcome in marked} == {NOTHING}


@pytest.mark.parametrize(
    ("malignant", "outcome"), [((True,), [MALIGNANT]), ((False,), [BENIGN]), ((None,), []),
                               ((False, True), [MALIGNANT]), ((False, None), [])]
)  # fmt: skip
def test_a_mark_is_what_lies_under_its_middle(
    malignant: tuple[bool | None, ...], outcome: list[int]
) -> None:
    boxes = np.array([[10.0, 10, 40, 60]])
    found = Found(boxes, np.array([0.5]), np.zeros(1, np.int64))
    lesions = tuple(Lesion((20, 20, 30, 50), "mass", malignant=one) for one in malignant)
    view = View("s", "n", "p", "L", "CC", Split.TRAIN, False, lesions, (), ())
    marked = mining.marks(lambda _: found, Store([view], np.zeros((1, 128, 128))), [0], 1)
    assert [what for *_, what in marked] == outcome


def test_the_marks_of_phantoms_come_from_backgrounds_that_no_network_was_trained_on() -> None:
    plan = recipe.load("default").phantoms
    assert not set(plan.training.numbers) & set(plan.unseen.numbers)


def test_steps_leave_a_tenth_of_the_population_in_each() -> None:
    population = np.random.default_rng(1).random(1000)
    steps = calibrate.steps(population.tolist())
    counts = np.bincount(np.searchsorted(steps, population, side="right"), minlength=10)
    assert counts.tolist() == [100] * 10


def test_several_processes_draw_what_one_draws(tmp_path: Path) -> None:
    quick, preparation = recipe.load("quick"), Preparation()
    once, again = (
        material.make(tmp_path / str(n), quick, preparation, None, processes=n) for n in (1, 2)
    )
    for name, store in once.stores.items():
        assert again.stores[name].views == store.views
        assert np.array_equal(again.stores[name].pictures, store.pictures)


@pytest.mark.timeout(600)
def test_one_command_makes_a_release_and_a_second_one_repeats_it(
    tiny: Path, tmp_path: Path
) -> None:
    built = releases.load(tiny / "releases" / "tiny")
    figures = json.loads((tiny / "figures.json").read_text())
    assert figures["phantoms"]["images"] == 12
    assert "cbis_ddsm_test" not in figures  # phantoms alone were given
    assert list(built.manifest.scale.steps) == sorted(built.manifest.scale.steps)
    card = (built.folder / "card.md").read_text()
    assert "Not for clinical use" in card
    members = built.manifest.members
    assert members == recipe.load("quick").members
    assert len(members.detectors) == len(members.classifiers) == len(members.views) == 2
    assert built.manifest.calibration.view is not None
    # Nothing is trained or measured again, and the record is small enough to commit.
    release.main([*TINY, str(tiny), "--record", str(tmp_path / "kept")])
    kept = list((tmp_path / "kept").iterdir())
    assert {"figures.json", "record.json", "card.md"} <= {path.name for path in kept}
    assert sum(path.stat().st_size for path in kept) < 1_000_000
    assert releases.load(tiny / "releases" / "tiny").digest == built.digest


@pytest.mark.timeout(600)
def test_every_model_has_a_graph_for_gpus_whose_scores_hardly_differ(tiny: Path) -> None:
    built = releases.load(tiny / "releases" / "tiny")
    assert built.planned.keys() == built.graphs.keys()
    assert built.manifest.precision == "FP16"
    found = json.loads((tiny / "precision.json").read_text())
    for score in ("detection", "lesion", "malignancy"):
        assert found["largest_change"][score] < 0.05


def test_a_wrong_data_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        release.main(["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--quick"])
    assert "point --data at the folder that holds" in capsys.readouterr().err
