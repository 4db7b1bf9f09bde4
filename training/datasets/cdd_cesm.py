"""CDD-CESM's malignant low-energy images as training takes them: for detection only.

The folder holds malignant breasts and next to nothing else, so a figure of benign against
malignant would measure the camera. Many outlines are skin thickening (long thin bands) or diffuse
disease (whole breasts); they are neither lesions to find nor healthy.
"""

import math
from pathlib import Path

import numpy as np

from mammo.codes import Kind
from training.datasets.folders import held_back
from training.datasets.outlines import Circle, Polygon, Rectangle, area, bounds, contour
from training.datasets.readers import cdd_cesm_512 as reader
from training.datasets.record import Box, Lesion, Modality, Record
from training.datasets.sample import Sample

NAME = reader.NAME
LARGEST = 15_000.0  # stored pixels squared: more is diffuse disease
ROUNDEST = 0.15  # 4 pi area / perimeter^2: less is a band along the skin
SMALLEST = 60.0  # stored pixels squared: less is a dot at 512 pixels


def read(folder: Path) -> list[Sample]:
    """The low-energy images of `images/`, in the order of labels.csv."""
    return [
        _sample(record)
        for record in reader.reduced(reader.read(folder))
        if record.modality is Modality.LOW_ENERGY
    ]


def _sample(record: Record) -> Sample:
    boxes: dict[bool, list[Box]] = {True: [], False: []}
    for annotation in record.annotations:
        if isinstance(annotation.outline, Polygon | Circle | Rectangle):
            box = bounds(annotation.outline)
            if box is not None:
                boxes[is_mass_like(annotation.outline)].append(box)
    return Sample(
        record=record,
        split=held_back(NAME, record.patient),
        lesions=tuple(Lesion(box, Kind.MASS, malignant=None) for box in boxes[True]),
        ignored=tuple(boxes[False]),
        kinds=frozenset({Kind.MASS}),
        shape=None,
    )


def is_mass_like(outline: Polygon | Circle | Rectangle) -> bool:
    """Whether an outline could be a mass: neither the whole breast nor a band along the skin."""
    corners = contour(outline)
    steps = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    circularity = 4 * math.pi * area(outline) / max(float(steps.sum()), 1.0) ** 2
    return SMALLEST <= area(outline) <= LARGEST and circularity >= ROUNDEST
