"""Whole prepared views, a little different every time, for training what looks at all of one.

Seeded by (seed, step, place in the batch): a resumed run sees what an undisturbed one would.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.crops import GRAIN, retouch
from training.datasets import phantoms
from training.datasets.record import Split
from training.datasets.store import Gray, Store
from training.team import ALONE, Place

SCALE = (0.92, 1.08)  # about the view's middle
SHIFT = 24.0  # prepared pixels either way


class Source:
    """A store's training views by whether they show something malignant."""

    def __init__(self, name: str, store: Store) -> None:
        self.store = store
        train = store.where(Split.TRAIN)
        self.by_label = [
            [i for i in train if store.views[i].malignant is bad] for bad in (False, True)
        ]
        self.grain = 0.0 if name.startswith(phantoms.NAME) else GRAIN


def sources(stores: Mapping[str, Store], shares: Mapping[str, float]) -> list[tuple[Source, float]]:
    """The stores that are there and hold both kinds of views, with their shares."""
    found = [
        (Source(name, stores[name]), share) for name, share in shares.items() if name in stores
    ]
    return [(source, share) for source, share in found if all(source.by_label)]


def batch(
    sources: Sequence[tuple[Source, float]],
    size: int,
    seed: int,
    step: int,
    place: Place = ALONE,
) -> tuple[Gray, NDArray[np.float32]]:
    """Views (n, h, w) and whether each is malignant (n,), half of them; or this process's part."""
    shares = np.cumsum([share for _, share in sources])
    pictures, labels = [], []
    for number in range(place.rank, size, place.size):
        rng = np.random.default_rng([seed, step, number])
        chosen = np.searchsorted(shares, (number + rng.random()) / size * shares[-1])
        source, _ = sources[int(chosen)]
        malignant = bool(rng.random() < 0.5)
        index = int(rng.choice(source.by_label[malignant]))
        pictures.append(varied(source.store.pictures[index], rng, source.grain))
        labels.append(malignant)
    return np.stack(pictures), np.array(labels, np.float32)


def varied(picture: Gray, rng: np.random.Generator, grain: float) -> Gray:
    """A view a little larger or smaller, moved, perhaps upside down, otherwise exposed."""
    height, width = picture.shape
    scale = float(np.exp(rng.uniform(*np.log(SCALE))))
    x, y = rng.uniform(-SHIFT, SHIFT, 2)
    # The chest wall stays at the left edge: x grows from there, y from the middle.
    matrix = np.array([[scale, 0, min(x, 0.0)], [0, scale, (1 - scale) * height / 2 + y]])
    moved = cv2.warpAffine(np.ascontiguousarray(picture), matrix, (width, height))
    if rng.random() < 0.5:
        moved = moved[::-1]
    return retouch(moved, rng, grain)
