"""Every figure of a set of predictions, each with its interval, its unit and its definition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mammo.codes import Kind
from mammo.scoring import Calibration
from training.evaluation import bootstrap, froc, measure, resampled, roc
from training.evaluation import precision_recall as pr
from training.evaluation import reliability as rel
from training.evaluation.aggregate import Scored, Unit, scored
from training.evaluation.bootstrap import Interval
from training.evaluation.counts import Confusion, confusion
from training.evaluation.overlap import box_iou
from training.evaluation.predictions import Case

LESION = "lesion"
Array = NDArray[np.float64]
Statistic = Callable[[NDArray[np.bool_], Array], float]


class Figure(NamedTuple):
    """One number that can be quoted."""

    unit: str  # lesion, image, breast or patient
    name: str
    interval: Interval
    definition: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a set holds, and its figures."""

    images: int
    breasts: int
    patients: int
    lesions: int
    malignant: dict[Unit, int]
    scored: dict[Unit, list[Scored]]
    figures: tuple[Figure, ...]

    def figure(self, unit: str, name: str) -> Figure:
        """The one of that name; raises KeyError."""
        for one in self.figures:
            if (one.unit, one.name) == (unit, name):
                return one
        raise KeyError(f"{unit} {name}")


OF_SCORES: tuple[tuple[str, Statistic, str], ...] = (
    (
        "partial AUC to 0.1",
        lambda y, p: roc.partial_auc(y, p, 0.1).standardised,
        "ROC area up to a false positive rate of 0.1, standardised: 0.5 is chance (McClish 1989).",
    ),
    (
        "sensitivity at specificity 0.90",
        lambda y, p: roc.sensitivity_at_specificity(y, p, 0.90).sensitivity,
        "Highest sensitivity with at most a tenth of the negatives called, not interpolated.",
    ),
    (
        "sensitivity at specificity 0.95",
        lambda y, p: roc.sensitivity_at_specificity(y, p, 0.95).sensitivity,
        "Highest sensitivity with at most a twentieth of the negatives called.",
    ),
    (
        "average precision",
        pr.average_precision,
        "Area under the steps of precision over recall; chance is the share of positives.",
    ),
    (
        "probabilistic F1",
        pr.probabilistic_f1,
        "F1 with probabilities in place of decisions (RSNA 2023).",
    ),
    ("Brier score", rel.brier, "Mean squared difference of probability and outcome; 0 is best."),
    (
        "calibration error",
        rel.error,
        "Expected calibration error over ten equal-width bins; 0 is best, and chance is not.",
    ),
)
OF_DECISIONS: tuple[tuple[str, Callable[[Confusion], float], str], ...] = (
    ("sensitivity", lambda c: c.recall, "Share of the malignant that are called."),
    ("specificity", lambda c: c.specificity, "Share of the others that are not called."),
    ("precision", lambda c: c.precision, "Share of those called that are malignant."),
    ("recall rate", lambda c: (c.tp + c.fp) / sum(c), "Share of all that are called."),
    ("accuracy", lambda c: c.accuracy, "Share of right decisions."),
    ("F1", lambda c: c.f1, "Harmonic mean of precision and sensitivity."),
    ("MCC", lambda c: c.mcc, "Matthews' correlation of decision and truth; 0 is chance."),
)


def of_set(cases: Sequence[Case], calibration: Calibration | None, raised: float) -> Summary:
    """All figures; `raised` is the probability from which a case is called malignant."""
    found = {unit: scored(cases, calibration, unit) for unit in Unit}
    figures = list(_of_lesions(cases)) if any(case.view.lesions for case in cases) else []
    for unit, items in found.items():
        figures += _of_cases(unit, items, raised)
    return Summary(
        images=len(cases),
        breasts=len(found[Unit.BREAST]),
        patients=len(found[Unit.PATIENT]),
        lesions=sum(len(case.view.lesions) for case in cases),
        malignant={unit: sum(one.malignant for one in items) for unit, items in found.items()},
        scored=found,
        figures=tuple(figures),
    )


def _of_lesions(cases: Sequence[Case]) -> list[Figure]:
    outcomes = [measure.outcome(case) for case in cases]
    draws = bootstrap.draw([case.view.patient for case in cases], measure.SEED)
    marks = resampled.Marks(outcomes, draws)
    rates = [
        Figure(
            LESION,
            f"sensitivity at {rate:g}",
            marks.sensitivity(rate),
            f"Share of lesions hit by a mark at {rate:g} false marks an image, over all images.",
        )
        for rate in measure.RATES
    ]
    cpm = "Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false marks an image (LUNA16)."
    found = [*rates, Figure(LESION, "CPM", marks.cpm(), cpm)]
    images = [_image(case) for case in cases]
    for iou in (0.2, 0.5):
        area = resampled.average_precision(images, iou, draws)
        said = f"COCO's average precision of boxes, a hit from an overlap (IoU) of {iou:g}."
        found.append(Figure(LESION, f"AP at IoU {iou:g}", area, said))
    by_kind = {kind: _of_kind(cases, kind) for kind in Kind}
    mean = resampled.mean_average_precision(by_kind, draws)
    said = "AP averaged over IoU 0.5 to 0.95 and over masses and calcifications (COCO)."
    found.append(Figure(LESION, "mAP", mean, said))
    said = "Mean overlap (IoU) of a lesion's box and the best mark that hits it."
    found.append(Figure(LESION, "overlap of hits", _overlap(cases, draws), said))
    return found


def _image(case: Case) -> froc.Image:
    p = case.prediction
    return froc.Image(case.view.patient, p.boxes, p.detection, case.view.boxes)


def _of_kind(cases: Sequence[Case], kind: Kind) -> list[froc.Image]:
    """Marks and lesions of one kind alone."""
    number = list(Kind).index(kind)
    images = []
    for case in cases:
        p, mine = case.prediction, case.prediction.kind == number
        same = np.array([one.kind is kind for one in case.view.lesions], bool)
        images.append(
            froc.Image(case.view.patient, p.boxes[mine], p.detection[mine], case.view.boxes[same])
        )
    return images


def _overlap(cases: Sequence[Case], draws: bootstrap.Draws) -> Interval:
    sums, counts = np.zeros(len(cases)), np.zeros(len(cases))
    for number, case in enumerate(cases):
        boxes = case.view.boxes
        hits = froc.hit_lesions(case.prediction.boxes, boxes)
        for lesion in set(hits[hits >= 0].tolist()):
            best = int(np.flatnonzero(hits == lesion)[0])  # marks stand best first
            sums[number] += box_iou(case.prediction.boxes[best], boxes[lesion])[0, 0]
            counts[number] += 1
    with np.errstate(invalid="ignore"):
        drawn = (draws.weights @ sums) / (draws.weights @ counts)
        return bootstrap.percentiles(float(sums.sum() / counts.sum()), drawn)


def _of_cases(unit: Unit, items: Sequence[Scored], raised: float) -> list[Figure]:
    labels = np.array([one.malignant for one in items], bool)
    p = np.array([one.probability for one in items], np.float64)
    draws = bootstrap.draw([one.patient for one in items], measure.SEED)
    said = f"Chance that a malignant {unit} scores above another, ties half (Mann-Whitney)."
    found = [Figure(unit, "ROC AUC", resampled.auc(labels, p, draws), said)]
    found += [
        Figure(unit, name, resampled.each(labels, p, draws, statistic), said)
        for name, statistic, said in OF_SCORES
    ]
    drawn = resampled.confusions(labels, p >= raised, draws)
    whole = confusion(labels, p >= raised)
    found += [
        Figure(
            unit,
            name,
            bootstrap.percentiles(read(whole), np.array([read(one) for one in drawn])),
            f"{said} Called from a probability of {raised:.3f} on.",
        )
        for name, read, said in OF_DECISIONS
    ]
    return found
