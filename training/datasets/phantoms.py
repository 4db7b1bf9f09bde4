"""Phantom views with known truth, made by seed: training never sees a seed that is tested on.

Working resolution (half the native matrix) and the same preparation as every image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mammo import phantoms
from mammo.codes import Kind
from mammo.prepare import Preparation, Prepared, prepare_gray
from training.datasets.record import Lesion, Split
from training.datasets.store import Gray, View

NAME = "phantoms"
# Blocks of seeds, far apart; `nightread phantoms --seed` takes small ones.
FIRST_SEED = {
    Split.TRAIN: 1_000_000_000,
    Split.VALIDATION: 1_100_000_000,
    Split.TEST: 1_200_000_000,
}


@dataclass(frozen=True, slots=True)
class Portion:
    """How many phantom views, and how full of lesions."""

    split: Split
    backgrounds: int
    exposures: int  # views made from each background, with other lesions and other noise
    most_lesions: int  # a view holds 0 to so many, all numbers alike


def views(portion: Portion, preparation: Preparation) -> Iterator[tuple[Gray, View]]:
    """Prepared views, `backgrounds` times `exposures` of them."""
    for number in range(portion.backgrounds):
        seed = FIRST_SEED[portion.split] + number
        behind = phantoms.background(seed)
        for exposed in range(portion.exposures):
            rng = np.random.default_rng([seed, exposed])
            count = int(rng.integers(portion.most_lesions + 1))
            (shown,) = phantoms.draw_lesions(
                rng, [behind], [bool(rng.random() < 0.5) for _ in range(count)]
            )
            grey = phantoms.insert(behind, shown, exposed)
            done = prepare_gray(grey, preparation, behind.laterality)
            name = f"{seed}-{exposed}"
            yield (
                done.tensor[0],
                _view(behind, shown, done, name=name, patient=str(seed), split=portion.split),
            )


def _view(
    behind: phantoms.Background,
    shown: Sequence[phantoms.Lesion],
    done: Prepared,
    *,
    name: str,
    patient: str,
    split: Split,
) -> View:
    boxes = done.geometry.to_prepared(np.array([lesion.box for lesion in shown]).reshape(-1, 4))
    return View(
        source=NAME,
        name=name,
        patient=patient,
        laterality=str(behind.laterality),
        view=str(behind.projection),
        split=split,
        malignant=any(lesion.malignant for lesion in shown),
        lesions=tuple(
            Lesion((x0, y0, x1, y1), lesion.kind, lesion.malignant, lesion.detectability)
            for lesion, (x0, y0, x1, y1) in zip(shown, boxes.tolist(), strict=True)
        ),
        ignored=(),
        kinds=tuple(Kind),
    )
