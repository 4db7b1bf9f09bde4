"""The worst of a set: malignant lesions that were missed, and healthy places called malignant."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammo.codes import Kind
from mammo.scoring import Calibration
from training.evaluation import froc, measure
from training.evaluation.aggregate import of_marks
from training.evaluation.predictions import Case

SHOWN = 6  # of each


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: the case, and what to look at on it."""

    case: Case
    lesion: int | None  # number of the missed lesion
    mark: int | None  # number of the false mark
    said: str


def misses(cases: Sequence[Case], most: int = SHOWN) -> list[Failure]:
    """Lesions not found at `measure.AT` false marks an image, one a patient.

    Malignant ones first, then the plainest (d'), then those whose best mark scores lowest.
    """
    threshold = froc.threshold_at([measure.outcome(case) for case in cases], measure.AT)
    found = []
    for case in cases:
        for number, score in enumerate(measure.outcome(case).found.tolist()):
            if score < threshold:
                lesion = case.view.lesions[number]
                key = (not lesion.malignant, -(lesion.detectability or 0.0), score)
                said = f"{_kind(lesion.malignant)} {lesion.kind}"
                if lesion.detectability is not None:
                    said += f", d' {lesion.detectability:.1f}"
                said += f", best mark {score:.2f}" if np.isfinite(score) else ", no mark"
                found.append((key, Failure(case, number, None, said)))
    return _first_of_each(found, most)


def false_alarms(
    cases: Sequence[Case], calibration: Calibration | None, most: int = SHOWN
) -> list[Failure]:
    """Marks that hit no lesion, the most probable (or best scored) first, one a patient."""
    found = []
    for case in cases:
        hits = froc.hit_lesions(case.prediction.boxes, case.view.boxes)
        p = of_marks(case, calibration) if calibration else case.prediction.detection
        for number in np.flatnonzero(hits < 0).tolist():
            kind = list(Kind)[case.prediction.kind[number]]
            said = f"called {kind}, {'probability' if calibration else 'score'} {p[number]:.2f}"
            found.append(((-float(p[number]),), Failure(case, None, number, said)))
    return _first_of_each(found, most)


def shown_marks(case: Case, threshold: float) -> NDArray[np.intp]:
    """The numbers of the marks that a reader would see."""
    return np.flatnonzero(case.prediction.detection >= threshold)


def _first_of_each(found: Sequence[tuple[tuple[float, ...], Failure]], most: int) -> list[Failure]:
    chosen: dict[str, Failure] = {}
    for _, one in sorted(found, key=lambda item: item[0]):
        chosen.setdefault(one.case.view.patient, one)
    return list(chosen.values())[:most]


def _kind(malignant: bool | None) -> str:  # noqa: FBT001 -- a label, not a switch
    return {True: "malignant", False: "benign", None: "unlabelled"}[malignant]
