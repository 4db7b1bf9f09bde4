"""Thumbnails of prepared images with the outlines of their lesions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.geometry import Geometry
from mammo.prepare import Preparation
from training.datasets import pixels
from training.datasets.collection import DatasetError
from training.datasets.outlines import Outline
from training.datasets.record import Label, Record

HEIGHT = 384  # pixels of a thumbnail
QUALITY = 82  # of its JPEG
COLOURS = {Label.MALIGNANT: (70, 90, 245), Label.BENIGN: (150, 200, 60), None: (60, 190, 250)}
PROMISED = 0.5  # of the places go to what is odd, the others to what is usual
Picture = NDArray[np.uint8]  # (rows, columns, 3), blue green red


class Shown(NamedTuple):
    """A record's thumbnail; without a picture the reason why there is none."""

    record: Record
    jpeg: bytes | None
    reason: str = ""


def chosen(records: Sequence[Record], most: int) -> list[Record]:
    """At most so many with a file: one for each rare oddity, then labels and views in turn."""
    there = [record for record in records if record.file is not None]
    often = Counter(code for record in there for code in set(record.oddities))
    picked: dict[str, Record] = {}
    for code, _ in reversed(often.most_common()):
        if len(picked) >= most * PROMISED:
            break
        record = next(one for one in there if code in one.oddities)
        picked.setdefault(record.image, record)
    groups: dict[object, list[Record]] = {}
    for record in there:
        if record.image not in picked:
            groups.setdefault((record.label, record.view, record.modality), []).append(record)
    # Each group from places spread over its length: neighbours are one patient's.
    spread = [_spread(group, most) for group in groups.values()]
    for turn in range(max(map(len, spread), default=0)):
        for group in spread:
            if len(picked) < most and turn < len(group):
                picked.setdefault(group[turn].image, group[turn])
    return list(picked.values())


def _spread(group: list[Record], most: int) -> list[Record]:
    step = max(1, len(group) // most)
    return group[::step]


def thumbnails(records: Iterable[Record], preparation: Preparation) -> list[Shown]:
    """Each record as a model sees it, with outlines; a broken file is shown as its reason."""
    shown = []
    for record in records:
        try:
            shown.append(Shown(record, thumbnail(record, preparation)))
        except DatasetError as error:
            shown.append(Shown(record, None, str(error)))
    return shown


def thumbnail(record: Record, preparation: Preparation) -> bytes:
    """A JPEG. Raises DatasetError for a broken file."""
    done = pixels.prepared(record, preparation)
    rows, columns = done.content
    scale = HEIGHT / preparation.height
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(done.tensor[0, :rows, :columns], size, interpolation=cv2.INTER_AREA)
    picture = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
    for annotation in record.annotations:
        if annotation.outline is not None:
            _draw(picture, annotation.outline, annotation.label, done.geometry, scale)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def _draw(
    picture: Picture, outline: Outline, label: Label | None, geometry: Geometry, scale: float
) -> None:
    """On the picture, which is `scale` times a prepared view: on a dark seam, to be seen on tissue."""
    for corners in pixels.corners(outline):
        moved = geometry.to_prepared(np.tile(corners, 2))[:, :2] * scale
        line = [np.rint(moved * 16).astype(np.int32)]
        for colour, width in (((0, 0, 0), 4), (COLOURS.get(label, COLOURS[None]), 2)):
            cv2.polylines(
                picture,
                line,
                isClosed=True,
                color=colour,
                thickness=width,
                lineType=cv2.LINE_AA,
                shift=4,
            )
