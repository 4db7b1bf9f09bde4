"""What makes several detectors one, and several classifiers: each score a probability first.

A score of 0.6 means one thing to one network and another to the next; a Platt scaling each,
fitted on held-back views, lets them be averaged.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mammo.scoring import logit
from training import calibrate, exported
from training.datasets.record import Split
from training.datasets.store import Array, Store
from training.networks.fusion import Platt
from triton_repo.contract import Members

Labelled = tuple[Array, NDArray[np.bool_]]  # scores (n,) in 0..1, and whether they are right


def of_detectors(out: Path, members: Members, held: Sequence[Store]) -> list[Platt]:
    """P(lesion) of each detector's marks on the validation views of these stores."""
    found = []
    for name in members.detectors:
        search = exported.search(out, (name,))
        groups = []
        for store in held:
            marks = [(search(store.pictures[i]), i) for i in store.where(Split.VALIDATION)]
            hit = [calibrate.hits(one.boxes, store.views[i])[0] for one, i in marks]
            groups.append((_joined(one.scores for one, _ in marks), _joined(hit)))
        found.append(_platt(groups))
    return found


def of_classifiers(out: Path, members: Members, held: Sequence[Store]) -> list[tuple[Platt, Platt]]:
    """P(lesion) and P(malignant | lesion) of each classifier on what the detectors mark."""
    graphs = exported.unjoined(out, members)
    names = members.classifiers
    lesion: dict[str, list[Labelled]] = {name: [] for name in names}
    malignancy: dict[str, list[Labelled]] = {name: [] for name in names}
    for store in held:
        seen = []
        for i in store.where(Split.VALIDATION):
            known = graphs.tensors(np.ascontiguousarray(store.pictures[i])[None])
            n = int(known["count"][0])
            seen.append((known, n, *calibrate.hits(known["boxes"][:n], store.views[i])))
        there = _joined(hit for _, _, hit, _ in seen)
        malignant = _joined(bad for *_, bad in seen)
        for name in names:
            said = _joined(known[f"lesion_of_{name}"][:n] for known, n, *_ in seen)
            lesion[name].append((said, there))
            said = _joined(known[f"malignancy_of_{name}"][:n] for known, n, *_ in seen)
            malignancy[name].append((said[there], malignant[there]))
    return [(_platt(lesion[name]), _platt(malignancy[name])) for name in names]


def _joined(parts: Iterable[NDArray[np.generic]]) -> NDArray:
    return np.concatenate(list(parts))


def _platt(groups: Sequence[Labelled]) -> Platt:
    intercept, (weight,) = calibrate.regression(
        [(logit(scores)[:, None], right) for scores, right in groups]
    )
    return Platt(intercept, weight)
