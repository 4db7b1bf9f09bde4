"""Every model of a run's ensemble as Triton serves it, from what the run has learned so far.

Networks come from their checkpoints; the joints from `NAME.json`, which `joints` fitted.
"""

import json
from pathlib import Path

from torch import nn

from training import train_classifier, train_detector, train_views
from training.balance import CALCIFICATION
from training.evaluation import record
from training.networks import classifier, overview
from training.networks.fusion import Average, Fusion
from training.recipe import Recipe
from triton_repo.contract import FUSION, Sizes


def model(out: Path, chosen: Recipe, sizes: Sizes, name: str) -> nn.Module:
    """One model of the ensemble, by its name there."""
    if name in chosen.detectors:
        return detector(out, chosen, sizes, name, balanced(out).get(name, 0.0))
    if name in chosen.classifiers:
        judged = train_classifier.trained(chosen.classifiers[name], out, name)
        return classifier.Served(judged).eval()
    if name in chosen.views:
        return overview.Served(train_views.trained(out, name)).eval()
    fitted = json.loads(joint(out, name).read_text())
    return (Fusion(fitted, chosen.boxes) if name == FUSION else Average(fitted)).eval()


def detector(out: Path, chosen: Recipe, sizes: Sizes, name: str, moved: float) -> nn.Module:
    """A detector whose logit of calcifications is moved."""
    stage = chosen.detectors[name]
    network = train_detector.trained(stage, out, name)
    network.favour(CALCIFICATION, moved)
    return train_detector.DESIGNS[stage.design].served(network, sizes).eval()


def balanced(out: Path) -> dict[str, float]:
    """How far each detector's calcifications are moved, as far as that is known."""
    path = out / record.BALANCE
    known = json.loads(path.read_text()) if path.is_file() else {}
    return {name: float(moved["calcification"]) for name, moved in known.items()}


def joint(out: Path, name: str) -> Path:
    """Where a run keeps what was fitted for a joint."""
    return out / f"{name}.json"
