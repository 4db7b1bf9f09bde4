"""Phantom views with known truth, made by seed: training never sees a seed that is tested on.

The same preparation as every image; at working resolution (half the native matrix) unless a
study is asked for at full size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo import phantoms
from mammo.codes import Kind
from mammo.phantoms import Resolution
from mammo.prepare import Preparation, Prepared, prepare_gray
from training.datasets.record import Lesion, Split
from training.datasets.store import Gray, View

NAME = "phantoms"
COVERED = 0.25  # of a prepared pixel's brightness, from which it is a calcification's
# Blocks of seeds, far apart; `nightread phantoms --seed` takes small ones.
TRAIN_SEED, VALIDATION_SEED, TEST_SEED, REFERENCE_SEED = (
    1_000_000_000,
    1_100_000_000,
    1_200_000_000,
    1_300_000_000,
)


@dataclass(frozen=True, slots=True)
class Portion:
    """How many training views, and how full of lesions."""

    backgrounds: int
    exposures: int  # views made from each background, with other lesions and other noise
    most_lesions: int  # a view holds 0 to so many, all numbers alike
    first: int = 0  # number of the first background

    @property
    def numbers(self) -> range:
        """The backgrounds' numbers."""
        return range(self.first, self.first + self.backgrounds)

    @property
    def count(self) -> int:
        """Views in all."""
        return self.backgrounds * self.exposures


@dataclass(frozen=True, slots=True)
class Studies:
    """Whole studies of four views, labels as in an archive of phantoms."""

    seed: int
    count: int
    split: Split
    resolution: Resolution = Resolution.WORKING
    part: tuple[int, int] = (0, 1)  # every second number from the first one: for several processes

    @property
    def each(self) -> list["Studies"]:
        """These studies one by one."""
        return [replace(self, part=(number, self.count)) for number in range(self.count)]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A lesion as it adds to grey, at prepared resolution; `width`, `height` of its body."""

    picture: NDArray[np.float32]  # (rows, columns), the lesion in the middle
    width: float
    height: float


def training_views(
    portion: Portion, preparation: Preparation, number: int
) -> list[tuple[Gray, View]]:
    """The prepared views made from one background, with more lesions than a study has."""
    seed = TRAIN_SEED + number
    behind = phantoms.background(seed)
    found = []
    for exposed in range(portion.exposures):
        rng = np.random.default_rng([seed, exposed])
        count = int(rng.integers(portion.most_lesions + 1))
        (shown,) = phantoms.draw_lesions(
            rng, [behind], [bool(rng.random() < 0.5) for _ in range(count)]
        )
        grey = phantoms.insert(behind, shown, exposed)
        done = prepare_gray(grey, preparation, behind.laterality)
        name = f"{seed}-{exposed}"
        view = _view(behind, shown, done, name=name, patient=str(seed), split=Split.TRAIN)
        found.append((done.tensor[0], view))
    return found


def study_views(
    studies: Studies, preparation: Preparation
) -> Iterator[tuple[Gray, View, list[Template]]]:
    """Prepared views, four a study, with each lesion's template for a matched filter."""
    first, step = studies.part
    for plan in phantoms.plan(studies.count, studies.seed)[first::step]:
        for image in phantoms.render(plan, studies.resolution):
            done = prepare_gray(image.gray(), preparation, image.laterality)
            view = _view(
                image.background,
                image.lesions,
                done,
                name=f"{plan.index}-{image.laterality}{image.projection}",
                patient=str(plan.index),
                split=studies.split,
            )
            found = [_template(lesion, done, studies.resolution) for lesion in image.lesions]
            yield done.tensor[0], view, found


def _template(lesion: phantoms.Lesion, done: Prepared, resolution: Resolution) -> Template:
    scale = done.geometry.scale * lesion.grid / resolution
    side = max(8, round(lesion.picture.shape[0] * scale))
    small = cv2.resize(lesion.picture, (side, side), interpolation=cv2.INTER_AREA)
    if done.geometry.mirrored:
        small = small[:, ::-1]
    x0, y0, x1, y1 = lesion.box
    return Template(
        np.ascontiguousarray(small, np.float32),
        (x1 - x0) * done.geometry.scale,
        (y1 - y0) * done.geometry.scale,
    )


def _specks(
    lesion: phantoms.Lesion, done: Prepared, resolution: Resolution
) -> tuple[tuple[int, int], ...]:
    """The prepared pixels that its calcifications cover; none for a mass."""
    if lesion.kind is not Kind.CALCIFICATION:
        return ()
    y, x = np.nonzero(lesion.picture > 0)
    pixel = lesion.grid / resolution  # of its picture, in pixels of the view's
    x0, y0 = (lesion.left + x) * pixel, (lesion.top + y) * pixel
    boxes = done.geometry.to_prepared(np.stack([x0, y0, x0 + pixel, y0 + pixel], axis=1))
    middles = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.int64)
    places, number = np.unique(middles, axis=0, return_inverse=True)
    share = (pixel * done.geometry.scale) ** 2  # of a prepared pixel
    covered = np.bincount(number.ravel(), lesion.picture[y, x]) * share
    return tuple((int(x), int(y)) for x, y in places[covered >= COVERED])


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
            Lesion(
                (x0, y0, x1, y1),
                lesion.kind,
                lesion.malignant,
                lesion.detectability,
                _specks(lesion, done, behind.resolution),
            )
            for lesion, (x0, y0, x1, y1) in zip(shown, boxes.tolist(), strict=True)
        ),
        ignored=(),
        kinds=tuple(Kind),
    )
