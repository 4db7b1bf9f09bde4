"""What makes several detectors one, and several classifiers: each score a probability first.

A score of 0.6 means one thing to one network and another to the next; a Platt scaling each,
fitted on held-back views, lets them be averaged.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mammo.scoring import logit
from training import calibrate, exported
from training.datasets.record import Split
from training.datasets.store import Array, Store
from training.networks.fusion import Platt
from triton_repo.contract import Members
from triton_repo.graphs import Graphs

Flags = NDArray[np.bool_]
Labelled = tuple[Array, Flags]  # scores (n,) in 0..1, and whether they are right


def of_detectors(out: Path, members: Members, held: Sequence[Store], threads: int) -> list[Platt]:
    """P(lesion) of each detector's marks on the validation views of these stores."""
    found = []
    for name in members.detectors:
        search = exported.search(out, (name,))
        groups = []
        for store in held:
            views = store.where(Split.VALIDATION)
            with ThreadPoolExecutor(threads) as pool:  # onnxruntime leaves Python's lock alone
                marks = list(pool.map(search, (store.pictures[i] for i in views)))
            hit = [
                calibrate.hits(one.boxes, store.views[i])[0]
                for one, i in zip(marks, views, strict=True)
            ]
            groups.append((_joined(one.scores for one in marks), _joined(hit)))
        found.append(_platt(groups))
    return found


def of_classifiers(
    out: Path, members: Members, held: Sequence[Store], threads: int
) -> list[tuple[Platt, Platt]]:
    """P(lesion) and P(malignant | lesion) of each classifier on what the detectors mark."""
    graphs = exported.unjoined(out, members)
    seen = [_looked_at(graphs, store, threads) for store in held]

    def said(tensor: str) -> list[Array]:
        return [_joined(one.known[tensor][: len(one.lesion)] for one in views) for views in seen]

    lesion = [_joined(one.lesion for one in views) for views in seen]
    malignant = [_joined(one.malignant for one in views) for views in seen]
    return [
        (
            _platt(list(zip(said(f"lesion_of_{name}"), lesion, strict=True))),
            _platt(
                [
                    (scores[there], bad[there])
                    for scores, there, bad in zip(
                        said(f"malignancy_of_{name}"), lesion, malignant, strict=True
                    )
                ]
            ),
        )
        for name in members.classifiers
    ]


def of_views(
    out: Path, members: Members, held: Sequence[Store], threads: int
) -> list[tuple[Platt]]:
    """P(malignant) of each classifier of whole views."""
    graphs = exported.overviews(out, members)
    seen = [_looked_at_whole(graphs, store, threads) for store in held]
    truth = [
        np.array([store.views[i].malignant for i in store.where(Split.VALIDATION)])
        for store in held
    ]
    return [
        (
            _platt(
                [(said[f"suspicion_of_{name}"], bad) for said, bad in zip(seen, truth, strict=True)]
            ),
        )
        for name in members.views
    ]


def _looked_at_whole(graphs: Graphs, store: Store, threads: int) -> dict[str, Array]:
    def look(i: int) -> dict[str, NDArray[Any]]:
        return graphs.tensors(np.ascontiguousarray(store.pictures[i])[None])

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(look, store.where(Split.VALIDATION)))
    names = (name for name in found[0] if name != "image")
    return {name: _joined(one[name] for one in found).astype(np.float64) for name in names}


class _Looked(NamedTuple):
    """A view: what was said of it, and for each mark (n,) whether it is right."""

    known: dict[str, NDArray[Any]]
    lesion: Flags
    malignant: Flags


def _looked_at(graphs: Graphs, store: Store, threads: int) -> list[_Looked]:
    def look(i: int) -> _Looked:
        known = graphs.tensors(np.ascontiguousarray(store.pictures[i])[None])
        boxes = known["boxes"][: int(known["count"][0])]
        return _Looked(known, *calibrate.hits(boxes, store.views[i]))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(look, store.where(Split.VALIDATION)))


def _joined(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(list(parts))


def _platt(groups: Sequence[Labelled]) -> Platt:
    """A network that has marked nothing right, or nothing wrong, is taken at its word."""
    if len(set(_joined(right for _, right in groups).tolist())) < 2:
        return Platt(0.0, 1.0)
    intercept, (weight,) = calibrate.regression(
        [(logit(scores)[:, None], right) for scores, right in groups]
    )
    return Platt(intercept, weight)
