"""What the exported graphs say of prepared views: exactly what Triton would."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets.store import Array, Gray, View
from triton_repo.graphs import Graphs


@dataclass(frozen=True, slots=True)
class Prediction:
    """The findings of one view, the best first."""

    boxes: Array  # (n, 4), prepared pixels
    detection: Array  # (n,)
    kind: NDArray[np.int64]  # (n,)
    lesion: Array  # (n,)
    malignancy: Array  # (n,)


@dataclass(frozen=True, slots=True)
class Case:
    """One view and what was found on it."""

    view: View
    prediction: Prediction


def run(graphs: Graphs, pictures: Iterable[Gray], threads: int = 1) -> list[Prediction]:
    """A prediction for each picture (h, w), in order; onnxruntime leaves Python's lock alone."""
    if threads == 1:
        return [_one(graphs, picture) for picture in pictures]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda picture: _one(graphs, picture), pictures))


def _one(graphs: Graphs, picture: Gray) -> Prediction:
    raw = graphs(np.ascontiguousarray(picture)[None])
    n = raw.count
    return Prediction(
        raw.boxes[:n].astype(np.float64),
        raw.detection[:n].astype(np.float64),
        raw.kind[:n].astype(np.int64),
        raw.lesion[:n].astype(np.float64),
        raw.malignancy[:n].astype(np.float64),
    )


def save(path: Path, cases: Iterable[Case]) -> None:
    """One JSON line an image: what was found, beside what was there."""
    with path.open("w", encoding="utf-8") as file:
        for case in cases:
            p, view = case.prediction, case.view
            row = {
                "image": view.name,
                "patient": view.patient,
                "laterality": view.laterality,
                "malignant": view.malignant,
                "lesions": [
                    [
                        *np.round(one.box, 1).tolist(),
                        one.kind,
                        one.malignant,
                        one.detectability and round(one.detectability, 2),
                    ]
                    for one in view.lesions
                ],
                "boxes": np.round(p.boxes, 1).tolist(),
                "detection": np.round(p.detection, 6).tolist(),
                "kind": p.kind.tolist(),
                "lesion": np.round(p.lesion, 6).tolist(),
                "malignancy": np.round(p.malignancy, 6).tolist(),
            }
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
