"""JPEG 2000 at half resolution against whole: whether the scores stay what they are.

    python -m benchmarks.half [--quick] [--json]

Phantom studies that no training has seen, written as JPEG 2000, through the shipped release's
graphs both ways. A release may ask for halves (`half_jpeg_2000` of its preparation) only where
this shows that it may. Needs onnxruntime (the extra `local`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paired import Row, as_a_worker, parser, show
from mammo import phantoms
from mammo.decode import decode
from mammo.findings import of_view
from mammo.phantoms.plan import Label, Syntax
from mammo.prepare import prepare
from nightread.releases import newest
from triton_repo.graphs import Graphs
from triton_repo.release import DEFAULT_DIR, Release, load

SEED = 20261201  # no block of training's (docs/training.md)
STUDIES, FEW = 40, 3
PLAIN = 6.0  # d' from which a lesion should be found


class Seen(NamedTuple):
    """What a release makes of studies."""

    malignant: NDArray[np.bool_]  # (studies,)
    probability: NDArray[np.float64]  # (studies,)
    found: NDArray[np.bool_]  # (lesions,) of PLAIN and more, by a reported finding


def seen(held: Release, studies: int, *, half: bool) -> Seen:
    """The studies, decoded one way or the other."""
    graphs, manifest = Graphs.of(held), held.manifest
    params = replace(manifest.preparation, half_jpeg_2000=half)
    malignant, probability, found = [], [], []
    for plan in phantoms.plan(studies, SEED):
        highest = 0.0
        for image in phantoms.render(replace(plan, transfer_syntax=Syntax.JPEG_2000)):
            decoded = decode(phantoms.encode(image), half=half)
            assert decoded.half is half
            view = prepare(decoded, image.laterality, params)
            breast = view.geometry.to_prepared(np.array([view.breast_box], np.float64))[0]
            marks = of_view(
                graphs(view.tensor),
                view.geometry,
                (breast[0], breast[1], breast[2], breast[3]),
                str(image.projection),
                manifest.calibration,
                manifest.scale,
                manifest.finding_threshold,
            )
            highest = max(highest, marks.probability)
            found += [
                any(_inside(mark.box, lesion.box) for mark in marks.findings)
                for lesion in image.lesions
                if lesion.detectability >= PLAIN
            ]
        malignant.append(plan.label is Label.MALIGNANT)
        probability.append(highest)
    return Seen(np.array(malignant), np.array(probability), np.array(found, np.bool_))


def _inside(mark: Sequence[float], box: Sequence[float]) -> bool:
    x, y = (mark[0] + mark[2]) / 2, (mark[1] + mark[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def area(studies: Seen) -> float:
    """Of the ROC curve: how often a malignant study has more than another (Mann and Whitney)."""
    bad, other = (studies.probability[studies.malignant == kind] for kind in (True, False))
    more = bad[:, None] > other
    return float((more + 0.5 * (bad[:, None] == other)).mean())


def ranks(values: NDArray[np.float64]) -> NDArray[np.intp]:
    return values.argsort().argsort()


def measure(*, quick: bool) -> list[Row]:
    """Rows: half beside whole."""
    cv2.setNumThreads(1)
    held = load(DEFAULT_DIR / newest(DEFAULT_DIR))
    studies = FEW if quick else STUDIES
    half, whole = (seen(held, studies, half=one) for one in (True, False))
    agree = float(np.corrcoef(ranks(half.probability), ranks(whole.probability))[0, 1])
    moved = float(np.abs(half.probability - whole.probability).max())
    return [
        Row(
            f"ROC area, malignant studies of {studies}", area(half), area(whole), "",
            area(half) / area(whole), None, "decoded whole",
        ),
        Row(
            f"lesions of d' {PLAIN:g} and more found, of {len(half.found)}",
            float(half.found.mean()), float(whole.found.mean()), "share",
            float(half.found.mean() / whole.found.mean()), None, "decoded whole",
        ),
        Row("rank correlation of studies", agree, 1.0, "Spearman", agree, None, "the same list"),
        Row("largest move of a probability", moved, 0.0, "", 1 - moved, None, "no move"),
    ]  # fmt: skip


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    as_a_worker()
    show("JPEG 2000 at half resolution", measure(quick=given.quick), as_json=given.json)
