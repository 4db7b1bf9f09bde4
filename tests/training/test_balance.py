"""One threshold for masses and calcifications."""

import numpy as np
import pytest
import torch

from mammo.codes import Kind
from training import balance
from training.balance import Searched
from training.datasets.record import Lesion, Split
from training.datasets.store import View
from training.exported import Found
from training.networks.detector import Detector

pytestmark = pytest.mark.train
BOX = (40.0, 40.0, 60.0, 60.0)
AWAY = [200.0, 200.0, 220.0, 220.0]


def searched(kind: Kind, score: float, false_mass: float) -> Searched:
    """A view with one lesion found at `score`, and one false mass."""
    lesion = Lesion(BOX, kind, malignant=True, detectability=8.0)
    view = View("s", "n", "p", "L", "CC", Split.VALIDATION, True, (lesion,), (), tuple(Kind))
    kinds = np.array([balance.KINDS.index(kind), 0])
    return Searched(view, Found(np.array([BOX, AWAY]), np.array([score, false_mass]), kinds))


def test_calcifications_that_score_too_low_are_moved_up_as_far_as_needed() -> None:
    views = [searched(Kind.MASS, 0.9, 0.5) for _ in range(4)]
    views += [searched(Kind.CALCIFICATION, 0.3, 0.5) for _ in range(4)]
    moved = balance.shift(views)
    # logit(0.5) - logit(0.3) = 0.85: the first step beyond it lifts them over the false masses.
    assert moved == 1.0
    assert balance.gain(views, moved) == 1.0 > balance.gain(views, 0.0)


def test_what_is_balanced_stays() -> None:
    views = [searched(kind, 0.9, 0.5) for kind in Kind]
    assert balance.shift(views) == 0.0


def test_the_network_is_moved_by_that_logit_and_only_there() -> None:
    torch.manual_seed(0)
    model = Detector(pretrained=False).eval()
    image = torch.randint(0, 255, (1, 1, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        before, sides = model(image)
        model.favour(balance.CALCIFICATION, 1.5)
        after, same = model(image)
    change = (after - before).mean(dim=(0, 2, 3))
    assert change.tolist() == pytest.approx([0.0, 1.5], abs=1e-4)
    assert torch.equal(sides, same)
