"""The exported detector alone, before there is a classifier."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training import export
from training.datasets.store import Array, Gray


class Found(NamedTuple):
    """What it marks on one view, the best first."""

    boxes: Array  # (n, 4)
    scores: Array  # (n,)
    kinds: NDArray[np.int64]  # (n,) index into KINDS


class Search:
    """An exported detector, one thread."""

    def __init__(self, graph: Path) -> None:
        self._session = export.session(graph)

    def __call__(self, picture: Gray) -> Found:
        """The marks on a prepared view (h, w)."""
        names = ["boxes", "detection", "kind", "count"]
        feed = {"image": np.ascontiguousarray(picture)[None, None]}
        boxes, scores, kinds, count = self._session.run(names, feed)
        n = int(count[0, 0])
        return Found(
            boxes[0, :n].astype(np.float64),
            scores[0, :n].astype(np.float64),
            kinds[0, :n].astype(np.int64),
        )
