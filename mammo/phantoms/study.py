"""A whole study drawn: four views with their lesions, masks and truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.background import Background, Resolution, compose
from mammo.phantoms.exposure import shown, stored
from mammo.phantoms.lesions import Lesion, draw_lesions, lesion_mask
from mammo.phantoms.plan import StudyPlan, uid
from mammo.phantoms.random import Stream, generator
from mammo.views import STANDARD, Laterality, Projection


@dataclass(frozen=True, slots=True, eq=False)
class PhantomImage:
    """One view of a study."""

    plan: StudyPlan
    background: Background
    sop_instance_uid: str
    series_uid: str
    number: int  # 1 to 4
    lesions: tuple[Lesion, ...]
    pixels: NDArray[np.uint16]  # stored values (rows, columns)

    @property
    def laterality(self) -> Laterality:
        """Which breast."""
        return self.background.laterality

    @property
    def projection(self) -> Projection:
        """CC or MLO."""
        return self.background.projection

    def gray(self) -> NDArray[np.uint8]:
        """As displayed, uint8 (rows, columns), 0 black."""
        return shown(self.background.machine, self.pixels)

    def mask(self, lesion: Lesion) -> NDArray[np.uint8]:
        """0 and 255 (rows, columns); its bounding box is the lesion's `box`."""
        return lesion_mask(self.background, lesion)


def backgrounds(plan: StudyPlan, resolution: Resolution) -> tuple[Background, ...]:
    """The four views of a study without lesions, in the order of `mammo.views.STANDARD`."""
    return tuple(
        compose(
            plan.seed,
            plan.index,
            side,
            projection,
            machine=plan.machine,
            density=plan.density,
            breast=plan.breast,
            tissue=plan.tissue,
            resolution=resolution,
        )
        for side, projection in STANDARD
    )


def render(plan: StudyPlan, resolution: Resolution = Resolution.FULL) -> Iterator[PhantomImage]:
    """The four images of a study, one at a time (a full-size view holds 17 to 30 MB)."""
    views = backgrounds(plan, resolution)
    wanted = dict(plan.lesions)
    found: dict[tuple[Laterality, Projection], tuple[Lesion, ...]] = {}
    for side in Laterality:
        pair = [view for view in views if view.laterality is side]
        rng = generator(plan.seed, Stream.LESIONS, plan.index, 1 + (side is Laterality.RIGHT))
        drawn = draw_lesions(rng, pair, wanted.get(side, ()), prefix=side)
        found |= {(side, v.projection): shown for v, shown in zip(pair, drawn, strict=True)}
    identity = generator(plan.seed, Stream.IDENTITY, plan.index, 1)
    for number, view in enumerate(views, start=1):
        lesions = found[view.laterality, view.projection]
        yield PhantomImage(
            plan=plan,
            background=view,
            sop_instance_uid=uid(identity),
            series_uid=uid(identity),
            number=number,
            lesions=lesions,
            pixels=stored(view, lesions, 0),
        )
