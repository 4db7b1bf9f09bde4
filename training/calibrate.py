"""From the two networks' numbers to one probability, and from that to a score of 1 to 10."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mammo.scoring import Calibration
from training.datasets.store import Array
from training.evaluation.predictions import Case, Prediction

EPSILON = 1e-4  # as in mammo.scoring
STRENGTH = 10.0  # inverse of the penalty on the two weights: weak


def hits_malignant(case: Case) -> NDArray[np.bool_]:
    """For each finding whether its middle lies in a malignant lesion, (n,)."""
    middle = (case.prediction.boxes[:, :2] + case.prediction.boxes[:, 2:]) / 2
    hit = np.zeros(len(middle), np.bool_)
    for lesion in case.view.lesions:
        if lesion.malignant:
            x0, y0, x1, y1 = lesion.box
            x, y = middle.T
            hit |= (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return hit


def fit(groups: Sequence[Sequence[Case]]) -> Calibration:
    """Platt scaling over both networks' logits; each group (data set) counts alike."""
    inputs, truth, weights = [], [], []
    for cases in groups:
        x = np.concatenate([_logits(case.prediction) for case in cases])
        inputs.append(x)
        truth.append(np.concatenate([hits_malignant(case) for case in cases]))
        weights.append(np.full(len(x), 1.0 / max(len(x), 1)))
    weight = np.concatenate(weights)
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    y = np.concatenate(truth)
    model.fit(np.concatenate(inputs), y, sample_weight=weight * len(weight) / weight.sum())
    detection, malignancy = model.coef_[0]
    return Calibration(float(model.intercept_[0]), float(detection), float(malignancy))


def _logits(prediction: Prediction) -> Array:
    p = np.stack([prediction.detection, prediction.malignancy], axis=1)
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return np.log(p / (1 - p))


def steps(probabilities: Sequence[float]) -> tuple[float, ...]:
    """Nine ascending probabilities that cut the reference population into tenths."""
    return tuple(float(q) for q in np.quantile(probabilities, np.arange(1, 10) / 10))
