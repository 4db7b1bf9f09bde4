"""Samples prepared for training: the picture and, in its pixels, what is on it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from mammo.prepare import Preparation, Prepared
from training.datasets import pixels
from training.datasets.record import Box
from training.datasets.sample import Sample
from training.datasets.store import Gray, View

INSIDE = 0.5  # share of a lesion that the breast's crop must hold


def prepared(samples: Iterable[Sample], preparation: Preparation) -> Iterator[tuple[Gray, View]]:
    """Each sample's prepared picture and what is on it; raises DatasetError for a broken file."""
    for sample in samples:
        record = sample.record
        done = pixels.prepared(record, preparation, sample.shape)
        lesions = [(lesion, _inside(lesion.box, done)) for lesion in sample.lesions]
        ignored = [_inside(box, done) for box in sample.ignored]
        yield (
            done.tensor[0],
            View(
                source=record.data_set,
                name=record.image,
                patient=record.patient,
                laterality=str(record.laterality),
                view=str(record.view),
                split=sample.split,
                malignant=sample.malignant,
                lesions=tuple(replace(lesion, box=box) for lesion, box in lesions if box),
                ignored=tuple(box for box in ignored if box),
                kinds=tuple(sorted(sample.kinds)),
            ),
        )


def _inside(box: Box, done: Prepared) -> Box | None:
    """A native box as it lies on the prepared picture; None if most of it was cropped away."""
    _, height, width = done.tensor.shape
    whole = done.geometry.to_prepared(np.array([box]))[0]
    cut = np.clip(whole, 0.0, [width, height, width, height])
    kept = (cut[2:] - cut[:2]).prod() / max((whole[2:] - whole[:2]).prod(), 1e-9)
    x0, y0, x1, y1 = map(float, cut)
    return (x0, y0, x1, y1) if kept >= INSIDE else None
