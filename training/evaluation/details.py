"""Density, machine and age of views whose predictions do not say them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mammo.phantoms import plan
from training.datasets.folders import labels
from training.datasets.phantoms import Studies
from training.evaluation.predictions import Case, Details

DENSITIES = {"1": "a", "2": "b", "3": "c", "4": "d"}  # BI-RADS, fourth edition and fifth
YEAR = 365.25  # days


def of_phantoms(studies: Studies) -> dict[str, Details]:
    """By the patient: what a set of phantoms was planned to be."""
    return {
        str(one.index): Details(
            density=str(one.density).lower(),
            manufacturer=f"phantom {one.machine.model}",
            age=int((one.day - one.patient.birth_date).days / YEAR),
        )
        for one in plan(studies.count, studies.seed)
    }


def of_folder(folder: Path) -> dict[str, Details]:
    """By the image: what a folder's labels.csv says."""
    return {
        row["image"]: Details(
            density=DENSITIES.get(row.get("density", "")),
            age=int(row["age"]) if row.get("age", "").isdigit() else None,
        )
        for row in labels(folder)
    }


def filled(
    cases: Sequence[Case], by_patient: Mapping[str, Details], by_image: Mapping[str, Details]
) -> list[Case]:
    """The cases with what was not known of them; what their file says stands."""
    return [
        replace(
            case,
            details=_either(
                case.details, by_image.get(case.view.name) or by_patient.get(case.view.patient)
            ),
        )
        for case in cases
    ]


def _either(first: Details, second: Details | None) -> Details:
    if second is None:
        return first
    return Details(
        first.density or second.density,
        first.manufacturer or second.manufacturer,
        second.age if first.age is None else first.age,
    )
