"""Two systems on the same images: whether one tells malignant from other cases better.

A pair are two sets of one record that hold the same images with the same labels. The interval of
the difference, paired and over patients, is the figure to quote; DeLong's test stands beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from mammo.scoring import Calibration
from training.evaluation import bootstrap, delong, measure, resampled
from training.evaluation.aggregate import Unit, scored
from training.evaluation.bootstrap import Interval
from training.evaluation.predictions import Case

Key = tuple[str, str, str]  # patient, side, image


class Pair(NamedTuple):
    """The ROC AUC of two systems by one unit, and of their difference."""

    unit: Unit
    names: tuple[str, str]
    cases: int
    malignant: int
    patients: int
    aucs: tuple[Interval, Interval]
    difference: Interval  # first minus second, paired
    z: float  # DeLong's; NaN where the two rank alike
    p: float  # two-sided


def of_sets(
    sets: Mapping[str, Sequence[Case]], calibration: Calibration | None
) -> tuple[Pair, ...]:
    """Every two sets of the same images, by image, breast and patient."""
    known = {name: images for name, cases in sets.items() if (images := _by_image(cases))}
    return tuple(
        pair
        for a, b in combinations(known, 2)
        if _labels(known[a]) == _labels(known[b])
        for pair in _compared((a, b), known[a], known[b], calibration)
    )


def _compared(
    names: tuple[str, str],
    a: Mapping[Key, Case],
    b: Mapping[Key, Case],
    calibration: Calibration | None,
) -> Iterator[Pair]:
    for unit in Unit:
        first = scored(list(a.values()), calibration, unit)
        second = scored([b[key] for key in a], calibration, unit)
        labels = [one.malignant for one in first]
        p, q = ([one.probability for one in items] for items in (first, second))
        draws = bootstrap.draw([one.patient for one in first], measure.SEED)
        test = delong.compare(labels, p, q)
        yield Pair(
            unit=unit,
            names=names,
            cases=len(labels),
            malignant=sum(labels),
            patients=len({one.patient for one in first}),
            aucs=(resampled.auc(labels, p, draws), resampled.auc(labels, q, draws)),
            difference=resampled.auc_difference(labels, p, q, draws),
            z=test.z,
            p=test.p,
        )


def _by_image(cases: Sequence[Case]) -> dict[Key, Case]:
    """Empty where an image stands twice, so that nobody knows which is meant."""
    found = {(c.view.patient, c.view.laterality, c.view.name): c for c in cases}
    return found if len(found) == len(cases) else {}


def _labels(cases: Mapping[Key, Case]) -> dict[Key, bool]:
    return {key: case.view.malignant for key, case in cases.items()}
