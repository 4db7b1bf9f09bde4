"""The figures of a release, from its predictions alone: what `figures.json` holds.

Measured on pictures that nothing was chosen by. Computed when a release is made, and again from
the record of its run (`training/evaluation/record.py`): both by this module.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mammo.codes import Kind
from mammo.scoring import Calibration
from training.datasets.store import Array
from training.evaluation import bootstrap, froc, reliability, resampled
from training.evaluation.aggregate import Unit, scored
from training.evaluation.predictions import Case

PHANTOMS, FULL_SIZE, FILMS = "phantoms", "phantoms-full-size", "cbis-ddsm-mass-800"
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)  # false marks an image
BINS = ((3.0, 4.5), (4.5, 6.0), (6.0, 8.0), (8.0, 10.0), (10.0, 12.01), (6.0, 12.01))  # d'
AT = 0.5  # false marks an image at which bins are compared
SEED = 7

Rival = Mapping[str, froc.Outcome]  # what matched filters find on each image of the phantoms


def figures(
    sets: Mapping[str, Sequence[Case]], calibration: Calibration, rival: Rival | None
) -> dict[str, Any]:
    """All figures of the sets that are there; those of matched filters where these were run."""
    found: dict[str, Any] = {}
    if PHANTOMS in sets:
        cases = sets[PHANTOMS]
        found["phantoms"] = sensitivity(cases)
        found["phantoms_by_detectability"] = by_strength(cases, rival)
        found["phantoms_by_kind"] = by_kind(cases)
        found["phantoms_breasts"] = discrimination(cases, calibration, Unit.BREAST)
        found["phantoms_studies"] = discrimination(cases, calibration, Unit.PATIENT)
    if FULL_SIZE in sets:
        found["phantoms_full_size"] = sensitivity(sets[FULL_SIZE])
    if FILMS in sets:
        found["cbis_ddsm_test"] = sensitivity(sets[FILMS]) | {
            "breasts": discrimination(sets[FILMS], calibration, Unit.BREAST)
        }
    return found


def outcome(case: Case) -> froc.Outcome:
    """What the detector's own score makes of a view; any kind counts."""
    p = case.prediction
    return froc.outcome(froc.Image(case.view.patient, p.boxes, p.detection, case.view.boxes))


def marks(cases: Sequence[Case], outcomes: Sequence[froc.Outcome]) -> resampled.Marks:
    """Outcomes of the cases' images, with draws of their patients."""
    patients = [case.view.patient for case in cases]
    return resampled.Marks(outcomes, bootstrap.draw(patients, SEED))


def sensitivity(cases: Sequence[Case]) -> dict[str, Any]:
    """Lesion sensitivity at RATES, with intervals."""
    found = marks(cases, [outcome(case) for case in cases])
    return {
        "images": len(cases),
        "lesions": sum(len(case.view.lesions) for case in cases),
        "sensitivity": {str(rate): _rounded(found.sensitivity(rate)) for rate in RATES},
    }


def by_strength(cases: Sequence[Case], rival: Rival | None) -> list[dict[str, Any]]:
    """Sensitivity at AT by bin of d', the detector's beside the matched filters'."""
    d = strengths(cases)
    ours = marks(cases, [outcome(case) for case in cases])
    theirs = marks(cases, [rival[case.view.name] for case in cases]) if rival else None
    rows = []
    for low, high in BINS:
        within = (d >= low) & (d < high)
        row: dict[str, Any] = {"from": low, "to": round(high, 1), "lesions": int(within.sum())}
        if within.any():
            row["detector"] = _rounded(ours.sensitivity(AT, within))
            if theirs:
                row["matched_filter"] = _rounded(theirs.sensitivity(AT, within))
        rows.append(row)
    return rows


def strengths(cases: Sequence[Case]) -> Array:
    """D' of every lesion in order, (lesions,), NaN where unknown."""
    found = [lesion.detectability or np.nan for case in cases for lesion in case.view.lesions]
    return np.array(found, np.float64)


def by_kind(cases: Sequence[Case]) -> dict[str, Any]:
    """Sensitivity at AT for masses and calcifications of d' 6 and more, and below."""
    rows: dict[str, Any] = {}
    outcomes = [outcome(case) for case in cases]
    threshold = froc.threshold_at(outcomes, AT)
    for kind in Kind:
        for name, strong in (("from 6", True), ("below 6", False)):
            found = [
                score >= threshold
                for case, seen in zip(cases, outcomes, strict=True)
                for lesion, score in zip(case.view.lesions, seen.found, strict=True)
                if lesion.kind is kind and ((lesion.detectability or 0) >= 6) is strong
            ]
            share = round(float(np.mean(found)), 4) if found else None
            rows[f"{kind}, d' {name}"] = {"lesions": len(found), "sensitivity": share}
    return rows


def discrimination(cases: Sequence[Case], calibration: Calibration, unit: Unit) -> dict[str, Any]:
    """ROC AUC of malignant against all else, by breast or by patient, and calibration."""
    found = scored(cases, calibration, unit)
    labels = [one.malignant for one in found]
    probabilities = [one.probability for one in found]
    draws = bootstrap.draw([one.patient for one in found], SEED)
    return {
        "cases": len(found),
        "malignant": sum(labels),
        "auc": list(resampled.auc(labels, probabilities, draws)),
        "brier": round(reliability.brier(labels, probabilities), 4),
        "calibration_error": round(reliability.error(labels, probabilities), 4),
        "reliability": [list(b) for b in reliability.bins(labels, probabilities)],
    }


def _rounded(found: bootstrap.Interval) -> list[float]:
    return [round(value, 4) for value in found]
