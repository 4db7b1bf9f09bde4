"""Pictures of 8 bit, through the same preparation as every DICOM image."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from mammo.prepare import Preparation, Prepared, prepare_gray
from training.datasets.folders import DatasetError
from training.datasets.record import Box, Record
from training.datasets.store import Gray, View

INSIDE = 0.5  # share of a lesion that the breast's crop must hold


def prepared(records: Iterable[Record], preparation: Preparation) -> Iterator[tuple[Gray, View]]:
    """Each record's prepared picture and what is on it; raises DatasetError for a broken file."""
    for record in records:
        gray = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
        if gray is None:
            raise DatasetError(f"{record.path} cannot be read as a picture.")
        if record.shape:
            rows, columns = record.shape
            gray = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA)
        done = prepare_gray(np.asarray(gray, np.uint8), preparation, record.laterality)
        lesions = [(lesion, _inside(lesion.box, done)) for lesion in record.lesions]
        ignored = [_inside(box, done) for box in record.ignored]
        yield (
            done.tensor[0],
            View(
                source=record.source,
                name=record.name,
                patient=record.patient,
                laterality=str(record.laterality),
                view=record.view,
                split=record.split,
                malignant=record.malignant,
                lesions=tuple(replace(lesion, box=box) for lesion, box in lesions if box),
                ignored=tuple(box for box in ignored if box),
                kinds=tuple(sorted(record.kinds)),
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
