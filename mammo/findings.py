"""From an ensemble's boxes in a prepared view to findings in native pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammo.codes import Kind
from mammo.geometry import Geometry
from mammo.scoring import Calibration, Scale

KINDS = (Kind.MASS, Kind.CALCIFICATION)  # the order of the ensemble's tensor `kind`


@dataclass(frozen=True, slots=True)
class RawView:
    """What the ensemble answers for one view; the first `count` rows are real."""

    count: int
    boxes: NDArray[np.float32]  # (K, 4) prepared pixels
    detection: NDArray[np.float32]  # (K,) 0 to 1
    kind: NDArray[np.int32]  # (K,) index into KINDS
    lesion: NDArray[np.float32]  # (K,) 0 to 1, the classifier's word: no false alarm
    malignancy: NDArray[np.float32]  # (K,) 0 to 1, given a lesion
    # 0 to 1, of the view as a whole; None: the release has no network that looks at it.
    suspicion: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that a reader should look at."""

    box: tuple[float, float, float, float]  # native pixels, x1 and y1 exclusive
    kind: Kind
    detection: float  # the detector's confidence, 0 to 1
    probability: float  # calibrated, of malignancy
    score: int  # 1 to 10
    location: str  # depth and half of the breast, in words


@dataclass(frozen=True, slots=True)
class ViewFindings:
    """One view's findings, the most suspicious first, and its own probability."""

    findings: tuple[Finding, ...]
    # From all boxes, reported or not (0.0 without any), and from the look at the whole.
    probability: float


def locate(box: NDArray[np.float64], breast: tuple[float, float, float, float], view: str) -> str:
    """Where a prepared box lies in the breast, by thirds of depth and by halves.

    `breast` is the breast's box in prepared pixels, chest wall on the left. In a cranio-caudal
    view hung as usual the upper edge is lateral; in an oblique one it is cranial.
    """
    x0, y0, x1, y1 = breast
    depth = ((box[0] + box[2]) / 2 - x0) / max(x1 - x0, 1)
    down = ((box[1] + box[3]) / 2 - y0) / max(y1 - y0, 1)
    third = "posterior" if depth < 1 / 3 else "middle" if depth < 2 / 3 else "anterior"
    halves = ("lateral", "medial") if view.endswith("CC") else ("upper", "lower")
    return f"{third} third, {halves[int(down >= 1 / 2)]} half"


def of_view(
    raw: RawView,
    geometry: Geometry,
    breast: tuple[float, float, float, float],
    view: str,
    calibration: Calibration,
    scale: Scale,
    threshold: float,
) -> ViewFindings:
    """The findings of one view: boxes from `threshold` of the detector's confidence on.

    `breast` is the breast's box in prepared pixels.
    """
    n = raw.count
    boxes = np.asarray(raw.boxes[:n], np.float64)
    probabilities = calibration.probability(raw.detection[:n], raw.lesion[:n], raw.malignancy[:n])
    rows, columns = geometry.native_shape
    limits = np.array([columns, rows, columns, rows], np.float64)
    native = np.clip(geometry.to_native(boxes), 0, limits)
    found = [
        Finding(
            box=(float(b[0]), float(b[1]), float(b[2]), float(b[3])),
            kind=KINDS[int(raw.kind[i])],
            detection=float(raw.detection[i]),
            probability=float(probabilities[i]),
            score=scale.score(float(probabilities[i])),
            location=locate(boxes[i], breast, view),
        )
        for i, b in enumerate(native)
        if raw.detection[i] >= threshold and b[2] > b[0] and b[3] > b[1]
    ]
    found.sort(key=lambda finding: -finding.probability)
    return ViewFindings(tuple(found), probability(raw, calibration))


def probability(raw: RawView, calibration: Calibration) -> float:
    """A view's: from all its boxes, reported or not, and from the look at the whole."""
    n = raw.count
    marks = calibration.probability(raw.detection[:n], raw.lesion[:n], raw.malignancy[:n])
    return calibration.of_view(float(marks.max(initial=0.0)), raw.suspicion)
