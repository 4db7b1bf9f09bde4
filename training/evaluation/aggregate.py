"""From marks to one probability for an image, a breast and a patient: the highest."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from mammo.scoring import Calibration, highest
from training.datasets.store import Array, View
from training.evaluation.predictions import Case


class Unit(StrEnum):
    """What is counted once."""

    IMAGE = "image"
    BREAST = "breast"
    PATIENT = "patient"


_KEYS: dict[Unit, Callable[[View], str]] = {
    Unit.IMAGE: lambda view: f"{view.source}/{view.patient}/{view.name}",
    Unit.BREAST: lambda view: view.breast,
    Unit.PATIENT: lambda view: f"{view.source}/{view.patient}",
}


class Scored(NamedTuple):
    """Something counted once, with its label and its probability."""

    patient: str
    malignant: bool
    probability: float


def of_marks(case: Case, calibration: Calibration) -> Array:
    """Each mark's probability of malignancy, (n,)."""
    p = case.prediction
    scores = (one.astype("f4") for one in (p.detection, p.lesion, p.malignancy))
    return calibration.probability(*scores)


def of_view(case: Case, calibration: Calibration | None) -> float:
    """The view's probability: what the system says of it, else its worst finding's, else 0.

    Raises ValueError where neither the system nor a calibration says one.
    """
    if case.prediction.probability is not None:
        return case.prediction.probability
    if calibration is None:
        raise ValueError(
            f"{case.view.name} has no probability: add calibration.json beside the predictions, "
            "or the field `probability` to each line."
        )
    worst = highest(of_marks(case, calibration).tolist())
    return calibration.of_view(worst, case.prediction.suspicion)


def scored(cases: Sequence[Case], calibration: Calibration | None, unit: Unit) -> list[Scored]:
    """For each image, breast or patient: malignant if any view is, the highest probability.

    In the order in which each is first seen.
    """
    found: dict[str, Scored] = {}
    for case in cases:
        key = _KEYS[unit](case.view)
        before = found.get(key, Scored(case.view.patient, malignant=False, probability=0.0))
        found[key] = Scored(
            case.view.patient,
            before.malignant or case.view.malignant,
            max(before.probability, of_view(case, calibration)),
        )
    return list(found.values())
