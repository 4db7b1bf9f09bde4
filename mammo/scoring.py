"""From what the ensemble says of each box to one probability and one score of 1 to 10."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPSILON = 1e-4  # keeps logits finite: a score of exactly 0 or 1 is rounding, not certainty


@dataclass(frozen=True, slots=True)
class Whole:
    """P(malignant view) = sigmoid(intercept + findings logit(f) + suspicion logit(s)).

    f: the probability of the view's worst finding, 0 without one; s: what a network says that
    looks at the view as a whole.
    """

    intercept: float
    findings: float
    suspicion: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(malignant finding) = P(lesion) P(malignant | lesion), each a Platt scaling (Platt 1999).

    P(lesion) = sigmoid(a + b logit(detection) + c logit(lesion)) joins what both networks say;
    P(malignant | lesion) = sigmoid(d + e logit(malignancy)). Fitted on a release's validation
    data.
    """

    lesion_intercept: float
    detection: float
    lesion: float
    malignancy_intercept: float
    malignancy: float
    view: Whole | None = None  # of a release that looks at whole views too

    def probability(
        self,
        detection: NDArray[np.float32],
        lesion: NDArray[np.float32],
        malignancy: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """Calibrated probabilities, (n,), for the networks' scores (n,) in 0 to 1."""
        is_lesion = _sigmoid(
            self.lesion_intercept + self.detection * logit(detection) + self.lesion * logit(lesion)
        )
        return is_lesion * _sigmoid(self.malignancy_intercept + self.malignancy * logit(malignancy))

    def of_view(self, worst: float, suspicion: float | None) -> float:
        """A view's probability: its worst finding's, joined with the look at the whole if any."""
        if self.view is None or suspicion is None:
            return worst
        found, whole = logit(np.array([worst, suspicion]))
        said = self.view.findings * found + self.view.suspicion * whole
        return float(_sigmoid(self.view.intercept + said))


@dataclass(frozen=True, slots=True)
class Scale:
    """How a probability becomes a score of 1 to 10 and a triage level."""

    steps: tuple[float, ...]  # nine ascending probabilities: score = 1 + how many are reached
    urgent: int  # the lowest score that is urgent
    soon: int
    routine: int

    def score(self, probability: float) -> int:
        """1 to 10: a tenth of the reference population each."""
        return 1 + sum(probability >= step for step in self.steps)


def logit(p: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The logarithm of the odds of `p`, finite even for 0 and 1."""
    clipped = np.clip(np.asarray(p, np.float64), _EPSILON, 1 - _EPSILON)
    result: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return result


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 1 / (1 + np.exp(-z))
    return result


def highest(probabilities: Iterable[float]) -> float:
    """A breast is as suspicious as its worst finding, a study as its worst breast."""
    return max(probabilities, default=0.0)
