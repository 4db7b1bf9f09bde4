"""From the two networks' numbers to one probability, and from that to a score of 1 to 10."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.linear_model import LogisticRegression

from mammo.scoring import Calibration, Whole, logit
from training.datasets.store import Array, View
from training.evaluation import aggregate
from training.evaluation.predictions import Case

STRENGTH = 10.0  # inverse of the penalty on the weights: weak

Flags = NDArray[np.bool_]


def hits(boxes: Array, view: View) -> tuple[Flags, Flags]:
    """For each box (n, 4) whether its middle lies in a lesion, and in a malignant one, (n,) each."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    lesion, malignant = np.zeros((2, len(middle)), np.bool_)
    for one in view.lesions:
        x0, y0, x1, y1 = one.box
        x, y = middle.T
        inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
        lesion |= inside
        malignant |= inside & bool(one.malignant)
    return lesion, malignant


def fit(groups: Sequence[Sequence[Case]]) -> Calibration:
    """Both Platt scalings of `Calibration`; each group (data set) counts alike in each."""
    found = [_Found.of(cases) for cases in groups]
    lesion, marked = regression([(one.joined, one.lesion) for one in found])
    malignancy, judged = regression(
        [(one.malignancy[one.lesion], one.malignant[one.lesion]) for one in found]
    )
    of_marks = Calibration(lesion, *marked, malignancy, *judged)
    if any(case.prediction.suspicion is None for cases in groups for case in cases):
        return of_marks
    whole, said = regression([_wholes(cases, of_marks) for cases in groups])
    return replace(of_marks, view=Whole(whole, *said))


def read(fitted: Mapping[str, Any]) -> Calibration:
    """A calibration from its JSON."""
    return TypeAdapter(Calibration).validate_python(fitted)


def _wholes(cases: Sequence[Case], of_marks: Calibration) -> tuple[Array, Flags]:
    """Of each view the logits of its worst finding and of the look at the whole, (n, 2)."""
    said = [(aggregate.of_view(case, of_marks), case.prediction.suspicion) for case in cases]
    return logit(np.array(said, np.float64)), np.array([case.view.malignant for case in cases])


class _Found(NamedTuple):
    """All findings of a data set."""

    joined: Array  # (n, 2), logits of `detection` and `lesion`
    malignancy: Array  # (n, 1), logit
    lesion: Flags  # (n,)
    malignant: Flags  # (n,)

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "_Found":
        said = [case.prediction for case in cases]
        truth = [hits(case.prediction.boxes, case.view) for case in cases]
        return cls(
            np.column_stack(
                [
                    logit(np.concatenate([p.detection for p in said])),
                    logit(np.concatenate([p.lesion for p in said])),
                ]
            ),
            logit(np.concatenate([p.malignancy for p in said]))[:, None],
            np.concatenate([lesion for lesion, _ in truth]),
            np.concatenate([malignant for _, malignant in truth]),
        )


def regression(groups: Sequence[tuple[Array, Flags]]) -> tuple[float, list[float]]:
    """Intercept and weights of a logistic regression over inputs (n, m); groups count alike."""
    sizes = [len(truth) for _, truth in groups]
    weight = np.concatenate([np.full(n, sum(sizes) / len(sizes) / max(n, 1)) for n in sizes])
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    inputs, truth = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    model.fit(inputs, truth, sample_weight=weight)
    return float(model.intercept_[0]), [float(w) for w in model.coef_[0]]


def steps(probabilities: Sequence[float]) -> tuple[float, ...]:
    """Nine ascending probabilities that cut the reference population into tenths."""
    return tuple(float(q) for q in np.quantile(probabilities, np.arange(1, 10) / 10))
