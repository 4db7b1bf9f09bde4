"""The figures of a release, on pictures that nothing was chosen by."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mammo.codes import Kind
from mammo.scoring import Calibration
from training.calibrate import by_group
from training.datasets.store import Array
from training.evaluation import bootstrap, froc, reliability, roc
from training.evaluation.bootstrap import Interval
from training.predict import Case

RATES = (0.1, 0.25, 0.5, 1.0, 2.0)  # false marks an image
BINS = ((3.0, 4.5), (4.5, 6.0), (6.0, 8.0), (8.0, 10.0), (10.0, 12.01), (6.0, 12.01))  # d'
AT = 0.5  # false marks an image at which bins are compared
SEED = 7


class Marked(NamedTuple):
    """An image's outcome with its lesions' d' (NaN where unknown)."""

    patient: str
    outcome: froc.Outcome
    strength: Array  # (m,)


def marked(case: Case) -> Marked:
    """What the detector's own score makes of a view; any kind counts."""
    p = case.prediction
    image = froc.Image(case.view.patient, p.boxes, p.detection, case.view.boxes)
    return with_strength(case, froc.outcome(image))


def with_strength(case: Case, outcome: froc.Outcome) -> Marked:
    """An outcome beside the d' of the view's lesions."""
    strength = [lesion.detectability or np.nan for lesion in case.view.lesions]
    return Marked(case.view.patient, outcome, np.array(strength, np.float64))


def sensitivity(images: Sequence[Marked]) -> dict[str, Any]:
    """Lesion sensitivity at RATES, with intervals."""
    return {
        "images": len(images),
        "lesions": sum(len(image.outcome.found) for image in images),
        "sensitivity": {str(rate): _figure(images, _at(rate)) for rate in RATES},
    }


def by_strength(images: Sequence[Marked], rival: Sequence[Marked]) -> list[dict[str, Any]]:
    """Sensitivity at AT by bin of d', the detector's beside the matched filter's."""
    rows = []
    for low, high in BINS:
        lesions = sum(int(_within(image, low, high).sum()) for image in images)
        row: dict[str, Any] = {"from": low, "to": round(high, 1), "lesions": lesions}
        if lesions:
            row["detector"] = _figure(images, _in_bin(low, high))
            row["matched_filter"] = _figure(rival, _in_bin(low, high))
        rows.append(row)
    return rows


def by_kind(cases: Sequence[Case]) -> dict[str, Any]:
    """Sensitivity at AT for masses and calcifications of d' 6 and more, and below."""
    rows: dict[str, Any] = {}
    images = [marked(case) for case in cases]
    threshold = froc.threshold_at([image.outcome for image in images], AT)
    for kind in Kind:
        for name, strong in (("from 6", True), ("below 6", False)):
            found = [
                score >= threshold
                for case, image in zip(cases, images, strict=True)
                for lesion, score in zip(case.view.lesions, image.outcome.found, strict=True)
                if lesion.kind is kind and ((lesion.detectability or 0) >= 6) is strong
            ]
            share = round(float(np.mean(found)), 4) if found else None
            rows[f"{kind}, d' {name}"] = {"lesions": len(found), "sensitivity": share}
    return rows


def discrimination(
    cases: Sequence[Case], calibration: Calibration, *, breast: bool
) -> dict[str, Any]:
    """ROC AUC of malignant against all else, by breast or by patient, and calibration."""
    groups = by_group(cases, calibration, breast=breast)
    patients = [key.split("/")[1] for key in groups]
    pairs = list(groups.values())

    def auc(drawn: Sequence[tuple[bool, float]]) -> float:
        return roc.auc([y for y, _ in drawn], [p for _, p in drawn])

    labels = [y for y, _ in pairs]
    probabilities = [p for _, p in pairs]
    return {
        "cases": len(pairs),
        "malignant": sum(labels),
        "auc": list(bootstrap.interval(pairs, patients, auc, SEED)),
        "brier": round(reliability.brier(labels, probabilities), 4),
        "calibration_error": round(reliability.error(labels, probabilities), 4),
        "reliability": [list(b) for b in reliability.bins(labels, probabilities)],
    }


def _figure(
    images: Sequence[Marked], statistic: Callable[[Sequence[Marked]], float]
) -> list[float]:
    found: Interval = bootstrap.interval(
        images, [image.patient for image in images], statistic, SEED
    )
    return [round(value, 4) for value in found]


def _at(rate: float) -> Callable[[Iterable[Marked]], float]:
    return lambda images: froc.sensitivity_at([image.outcome for image in images], rate)


def _within(image: Marked, low: float, high: float) -> Array:
    return (image.strength >= low) & (image.strength < high)


def _in_bin(low: float, high: float) -> Callable[[Sequence[Marked]], float]:
    def statistic(images: Sequence[Marked]) -> float:
        threshold = froc.threshold_at([image.outcome for image in images], AT)
        found = np.concatenate([i.outcome.found[_within(i, low, high)] for i in images])
        return float((found >= threshold).mean()) if len(found) else float("nan")

    return statistic
