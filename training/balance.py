"""One threshold for both kinds: how much the logit of calcifications is moved.

The heatmaps of masses and of calcifications are trained side by side, but a false mass is far
more common than a false cluster, and one score ranks both. One number, chosen on validation
phantoms, makes the same score worth the same.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from training.datasets.store import Array, Store, View
from training.evaluation import froc
from training.exported import Found, Search
from triton_repo.contract import KINDS

SHIFTS = tuple(np.arange(-4, 13) / 4)  # -1 to 3
RATES = (0.25, 0.5, 1.0)  # false marks an image: the mean over these is made as high as it gets
FAINT = 6.0  # d' from which a lesion is one that should be found
CALCIFICATION = KINDS.index("calcification")


class Searched(NamedTuple):
    """A view and its marks."""

    view: View
    found: Found


def search(finding: Search, held: Store, indices: Sequence[int], threads: int) -> list[Searched]:
    """The marks on these views."""
    with ThreadPoolExecutor(threads) as pool:  # onnxruntime leaves Python's lock alone
        return list(pool.map(lambda i: Searched(held.views[i], finding(held.pictures[i])), indices))


def shift(searched: Sequence[Searched]) -> float:
    """The shift of SHIFTS that finds most; of equal ones the smallest."""
    gains = [gain(searched, float(one)) for one in SHIFTS]
    best = max(gains)
    return min((float(s) for s, g in zip(SHIFTS, gains, strict=True) if g == best), key=abs)


def gain(searched: Sequence[Searched], moved: float) -> float:
    """Mean sensitivity at RATES to lesions that should be found, calcifications moved so far."""
    outcomes, wanted = [], []
    for view, found in searched:
        image = froc.Image(view.patient, found.boxes, _moved(found, moved), view.boxes)
        outcomes.append(froc.outcome(image))
        strengths = [lesion.detectability or 0.0 for lesion in view.lesions]
        wanted.append(np.array(strengths, np.float64) >= FAINT)
    scores = np.concatenate([o.found[w] for o, w in zip(outcomes, wanted, strict=True)])
    if not len(scores):
        return 0.0
    thresholds = [froc.threshold_at(outcomes, rate) for rate in RATES]
    return float(np.mean([(scores >= threshold).mean() for threshold in thresholds]))


def _moved(found: Found, moved: float) -> Array:
    p = np.clip(found.scores, 1e-6, 1 - 1e-6)
    logit = np.log(p / (1 - p)) + moved * (found.kinds == CALCIFICATION)
    return np.asarray(1 / (1 + np.exp(-logit)), np.float64)
