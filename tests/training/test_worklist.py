"""What a release was worth in use, by hand on small sets."""

from datetime import date, timedelta

import pytest

from mammo.codes import Level
from training.evaluation.summary import Figure
from training.evaluation.worklist import Breast, Outcome, Study, figures, truth

TAKEN, YEAR = date(2026, 1, 1), timedelta(days=365)


def found(kind: str, days: int, malignant: bool) -> Outcome:
    return Outcome(kind, TAKEN + timedelta(days=days), malignant)


@pytest.mark.parametrize(
    ("outcomes", "malignant"),
    [
        ([found("pathology", 20, True)], True),
        ([found("interval_cancer", 364, True)], True),
        ([found("pathology", 20, False), found("interval_cancer", 300, True)], True),
        ([found("pathology", 20, False)], False),
        ([found("assessment", 14, False)], None),  # a clean work-up is no follow-up
        ([found("assessment", 14, False), found("assessment", 365, False)], False),
        ([found("assessment", 730, False)], False),
        ([found("interval_cancer", 400, True)], False),  # not there within the year
        ([found("pathology", 400, False)], False),
        ([], None),
    ],
)
def test_the_truth_of_a_breast_by_its_follow_up(
    outcomes: list[Outcome], malignant: bool | None
) -> None:
    assert truth(outcomes, TAKEN, YEAR) is malignant
    assert truth(outcomes, None, YEAR) is None


def study(
    patient: int, level: Level, probability: float | None, malignant: bool, recalled: bool | None
) -> Study:
    return Study(
        patient=str(patient),
        level=level,
        probability=probability,
        breasts=(Breast(probability, malignant), Breast(probability and probability / 2, False)),
        complete=True,
        score_seen=False,
        recalled=recalled,
    )


STUDIES = [
    study(1, Level.URGENT, 0.9, True, True),
    study(2, Level.SOON, 0.5, True, True),
    study(3, Level.LOW, 0.1, True, False),
    study(4, Level.SOON, 0.4, False, True),
    study(5, Level.ROUTINE, 0.2, False, None),
    study(6, Level.LOW, 0.05, False, False),
    study(7, Level.NOT_SCORED, None, True, True),
]


def by_name(studies: list[Study]) -> dict[tuple[str, str], Figure]:
    return {(f.unit, f.name): f for f in figures(studies)}


def test_the_figures_of_seven_studies_by_hand() -> None:
    said = by_name(STUDIES)
    # Of nine pairs of a malignant and another scored study seven stand in the right order.
    assert said["study", "ROC AUC"].interval.value == pytest.approx(7 / 9)
    values = {name: figure.interval.value for (_, name), figure in said.items()}
    assert values["sensitivity of urgent"] == pytest.approx(1 / 3)
    assert values["sensitivity of soon or higher"] == pytest.approx(2 / 3)
    assert values["sensitivity of routine or higher"] == pytest.approx(2 / 3)
    assert values["specificity of urgent"] == 1
    assert values["specificity of soon or higher"] == pytest.approx(2 / 3)
    assert values["specificity of routine or higher"] == pytest.approx(1 / 3)
    # Readers saw the one without a score too; one of two others was called.
    assert values["sensitivity of the readers' recall"] == pytest.approx(3 / 4)
    assert values["specificity of the readers' recall"] == pytest.approx(1 / 2)
    interval = said["study", "sensitivity of soon or higher"].interval
    assert 0 <= interval.low < interval.value < interval.high <= 1


def test_a_study_one_of_whose_breasts_nobody_followed_is_no_negative() -> None:
    half = Study("8", Level.URGENT, 0.99, (Breast(0.99, False),), False, False, True)
    assert half.malignant is None
    with_it, without = by_name([*STUDIES, half]), by_name(STUDIES)
    assert with_it["study", "ROC AUC"] == without["study", "ROC AUC"]
    # But the breast that was followed counts by itself.
    assert with_it["breast", "ROC AUC"].interval.value < without["breast", "ROC AUC"].interval.value


def test_no_studies_no_figures() -> None:
    assert figures([]) == ()
