"""ROC: can a score tell two classes apart."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties half (Mann and Whitney 1947).

    NaN when a class is missing.
    """
    truth: NDArray[np.bool_] = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]  # the middle rank among equals
    above = rank[truth].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
