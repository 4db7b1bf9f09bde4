"""What a release was worth in use: what it said of studies against what became of the patients.

Outcomes are not a random sample: who is recalled is looked at more closely, and who recalls may have
seen the score. So figures stand twice, with and without studies that were decided on after the score
was seen; and how many of each level have an outcome at all is said beside them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from mammo.codes import Level
from training.evaluation import bootstrap, resampled
from training.evaluation.bootstrap import DRAWS, Draws
from training.evaluation.counts import Confusion, confusion
from training.evaluation.summary import Figure

SEED = 20261126
CELLS = 20_000_000  # draws times cases that are held at once: some hundred MB
LEAST_DRAWS = 200
RANKS = (Level.URGENT, Level.SOON, Level.ROUTINE)  # the thresholds, by the order of the list


class Outcome(NamedTuple):
    """What was found of a breast, and when."""

    kind: str  # pathology, interval_cancer or assessment
    found_on: date
    malignant: bool


class Breast(NamedTuple):
    """A breast whose truth is known."""

    probability: float | None  # None: not scored
    malignant: bool


@dataclass(frozen=True, slots=True)
class Study:
    """A study with an outcome."""

    patient: str
    level: Level
    probability: float | None  # None: not scored
    breasts: tuple[Breast, ...]  # whose truth is known
    complete: bool  # the truth of all breasts that were scored is
    score_seen: bool  # by somebody before they decided
    recalled: bool | None  # by the last decision; None: there is none

    @property
    def malignant(self) -> bool | None:
        """Whether a breast is; None: nobody knows of all."""
        if any(breast.malignant for breast in self.breasts):
            return True
        return False if self.complete else None


def truth(outcomes: Iterable[Outcome], taken: date | None, follow_up: timedelta) -> bool | None:
    """Whether a breast was malignant when its study was taken; None: nobody knows.

    Malignant: cancer was found within the follow-up. Not: pathology was benign within it and no
    cancer was found, or nothing malignant was known at its end or later.
    """
    known = list(outcomes)
    if taken is None:
        return None
    end = taken + follow_up
    within = [one for one in known if taken <= one.found_on <= end]
    if any(one.malignant for one in within):
        return True
    benign = any(one.kind == "pathology" for one in within)
    return False if benign or any(one.found_on >= end for one in known) else None


def figures(studies: Sequence[Study]) -> tuple[Figure, ...]:
    """All that can be said of studies with outcomes; 95% intervals over patients."""
    return (*_of_scores(studies), *_of_levels(studies), *_of_readers(studies))


def _of_scores(studies: Sequence[Study]) -> Iterable[Figure]:
    definition = "Chance that a malignant one scores above another, ties half."
    breasts = [
        (study.patient, breast.malignant, breast.probability)
        for study in studies
        for breast in study.breasts
        if breast.probability is not None
    ]
    whole = [
        (study.patient, study.malignant, study.probability)
        for study in studies
        if study.malignant is not None and study.probability is not None
    ]
    for unit, cases in (("breast", breasts), ("study", whole)):
        if cases:
            patients, malignant, scores = zip(*cases, strict=True)
            area = resampled.auc(malignant, scores, _draws(patients))
            yield Figure(unit, "ROC AUC", area, definition)


def _of_levels(studies: Sequence[Study]) -> Iterable[Figure]:
    known = [s for s in studies if s.malignant is not None and s.probability is not None]
    for number, level in enumerate(RANKS, 1):
        called = set(RANKS[:number])
        name = level if number == 1 else f"{level} or higher"
        yield from _decided(known, lambda study, called=called: study.level in called, name)  # type: ignore[misc]


def _of_readers(studies: Sequence[Study]) -> Iterable[Figure]:
    known = [s for s in studies if s.malignant is not None and s.recalled is not None]
    yield from _decided(known, lambda study: bool(study.recalled), "the readers' recall")


def _decided(
    studies: Sequence[Study], call: Callable[[Study], bool], name: str
) -> Iterable[Figure]:
    if not studies:
        return
    labels = [bool(study.malignant) for study in studies]
    called = [call(study) for study in studies]
    drawn = resampled.confusions(labels, called, _draws([study.patient for study in studies]))
    whole = confusion(labels, called)
    parts: tuple[tuple[str, Callable[[Confusion], float], str], ...] = (
        ("sensitivity", lambda c: c.recall, "Share of malignant studies that are called."),
        ("specificity", lambda c: c.specificity, "Share of the others that are not called."),
    )
    for what, statistic, definition in parts:
        interval = bootstrap.percentiles(
            statistic(whole), np.array([statistic(one) for one in drawn])
        )
        yield Figure("study", f"{what} of {name}", interval, definition)


def _draws(patients: Sequence[str]) -> Draws:
    return bootstrap.draw(patients, SEED, max(LEAST_DRAWS, min(DRAWS, CELLS // len(patients))))
