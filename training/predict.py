"""What the exported graphs say of prepared views: exactly what Triton would."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from training.datasets.store import Gray
from training.evaluation.predictions import Prediction
from triton_repo.graphs import Graphs


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
        suspicion=raw.suspicion,
    )
