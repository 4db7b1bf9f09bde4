"""Square cuts of prepared views for training, each a little different every time.

Seeded by (seed, step, place in the batch): a resumed run sees what an undisturbed one would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.codes import Kind
from training.datasets import phantoms
from training.datasets.record import Split
from training.datasets.store import Array, Gray, Store, View
from training.team import ALONE, Place
from triton_repo.contract import KINDS

SIDE = 512  # pixels of a cut
SCALE = (0.85, 1.15)  # size of a cut's content
GAMMA = (0.75, 1.33)
CONTRAST = (0.85, 1.15)
GRAIN = 2.5  # grey levels of noise at most, on real pictures; phantoms carry their own


@dataclass(frozen=True, slots=True)
class Crop:
    """A cut with what is on it, in its own pixels."""

    picture: Gray  # (side, side)
    boxes: Array  # (n, 4), lesions whose middle is inside
    kinds: NDArray[np.int64]  # (n,), index into KINDS
    ignored: Array  # (m, 4), neither lesion nor healthy
    complete: tuple[bool, ...]  # for each of KINDS, whether all lesions are marked
    specks: NDArray[np.int64]  # (s, 2), x and y of calcified pixels


@dataclass(frozen=True, slots=True)
class Source:
    """A store's training views, and how often a cut comes from it."""

    store: Store
    indices: Sequence[int]
    share: float
    grain: float  # grey levels of added noise at most


def sources(stores: Mapping[str, Store], shares: Mapping[str, float]) -> list[Source]:
    """The training views of the stores, by name; those that are missing leave their share."""
    return [
        Source(
            store=stores[name],
            indices=stores[name].where(Split.TRAIN),
            share=share,
            grain=0.0 if name.startswith(phantoms.NAME) else GRAIN,
        )
        for name, share in shares.items()
        if name in stores
    ]


def batch(
    sources: Sequence[Source],
    size: int,
    seed: int,
    step: int,
    place: Place = ALONE,
    side: int = SIDE,
) -> list[Crop]:
    """The cuts of one training step, or this process's part of them."""
    shares = np.array([source.share for source in sources])
    shares = np.cumsum(shares / shares.sum())
    crops = []
    for number in range(place.rank, size, place.size):
        rng = np.random.default_rng([seed, step, number])
        # Evenly over the batch, not by chance: every step sees each source by its share.
        source = sources[int(np.searchsorted(shares, (number + rng.random()) / size))]
        index = int(rng.choice(source.indices))
        crops.append(
            cut(source.store.pictures[index], source.store.views[index], rng, source.grain, side)
        )
    return crops


def cut(
    picture: Gray, view: View, rng: np.random.Generator, grain: float, side: int = SIDE
) -> Crop:
    """A random cut of side x side: three in five around a lesion, the others anywhere in the breast."""
    height, width = picture.shape
    scale = float(np.exp(rng.uniform(*np.log(SCALE))))
    if len(view.lesions) and rng.random() < 0.6:
        x0, y0, x1, y1 = view.lesions[rng.integers(len(view.lesions))].box
        at = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) * scale + rng.uniform(-0.4, 0.4, 2) * side
    else:
        at = _tissue(picture, rng) * scale
    corner = np.clip(at - side / 2, 0, np.maximum(np.array([width, height]) * scale - side, 0))
    shift = 0.5 * scale - 0.5  # pixel centres stay pixel centres
    matrix = np.array([[scale, 0, shift - corner[0]], [0, scale, shift - corner[1]]])
    cutting = cv2.warpAffine(
        np.ascontiguousarray(picture), matrix, (side, side), flags=cv2.INTER_LINEAR
    )
    place = np.tile(corner, 2)
    boxes = view.boxes * scale - place
    kinds = np.array([KINDS.index(lesion.kind) for lesion in view.lesions], np.int64)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((middle >= 0) & (middle < side)).all(axis=1)
    calcified = [one for lesion in view.lesions for one in lesion.specks]
    specks = (np.array(calcified, np.float64).reshape(-1, 2) + 0.5) * scale - corner
    specks = np.floor(specks[((specks >= 0) & (specks < side)).all(axis=1)])
    ignored = np.array(view.ignored, np.float64).reshape(-1, 4) * scale - place
    return Crop(
        picture=retouch(cutting, rng, grain),
        boxes=boxes[inside],
        kinds=kinds[inside],
        ignored=np.concatenate([ignored, boxes[~inside]]),
        complete=tuple(Kind(kind) in view.kinds for kind in KINDS),
        specks=specks.astype(np.int64),
    )


def _tissue(picture: Gray, rng: np.random.Generator) -> Array:
    """A random place (x, y) that is not air, if a few tries find one."""
    height, width = picture.shape
    for _ in range(20):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        if picture[y, x] > 20:
            break
    return np.array([x, y], np.float64)


def retouch(picture: Gray, rng: np.random.Generator, grain: float) -> Gray:
    """Another gamma, contrast and grain; air stays air."""
    levels = np.arange(256) / 255.0
    gamma = float(np.exp(rng.uniform(*np.log(GAMMA))))
    curve = 255.0 * rng.uniform(*CONTRAST) * levels**gamma
    changed = cv2.LUT(picture, np.clip(np.rint(curve), 0, 255).astype(np.uint8))
    sigma = rng.uniform(0, grain) if grain else 0.0
    if sigma > 0.5:
        noise = rng.standard_normal(changed.shape, np.float32) * np.float32(sigma)
        noisy = np.clip(changed + noise, 0, 255).astype(np.uint8)
        changed = np.where(changed > 8, noisy, changed)
    return np.ascontiguousarray(changed)
