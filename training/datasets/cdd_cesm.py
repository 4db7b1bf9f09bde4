"""CDD-CESM's malignant low-energy images at 512 pixels (Khaled et al., Scientific Data 9, 2022).

For detection only: the folder holds malignant breasts and next to nothing else, so a figure of
benign against malignant would measure the camera. Many outlines are skin thickening (long thin
bands) or diffuse disease (whole breasts); they are neither lesions to find nor healthy.
"""

import math
from pathlib import Path
from typing import Any

from mammo.codes import Kind, SourceKind
from mammo.views import Laterality
from training.datasets.folders import held_back, labels, lesions
from training.datasets.record import Box, Lesion, Record

NAME = "cdd-cesm"
LARGEST = 15_000.0  # stored pixels squared: more is diffuse disease
ROUNDEST = 0.15  # 4 pi area / perimeter^2: less is a band along the skin
SMALLEST = 60.0  # stored pixels squared: less is a dot at 512 pixels


def read(folder: Path) -> list[Record]:
    """The low-energy images of `images/`, in the order of labels.csv."""
    rows, marked = labels(folder), lesions(folder)
    records = []
    for row in rows:
        if not row["file"].startswith("images/") or row["kind"] != "DM":
            continue
        outlines = marked[row["file"]]
        patient = row["patient"]
        records.append(
            Record(
                source=NAME,
                name=row["image"],
                path=folder / row["file"],
                source_kind=SourceKind.FFDM,
                patient=patient,
                laterality=Laterality(row["laterality"]),
                view=row["view"],
                split=held_back(NAME, patient),
                malignant=True,
                lesions=tuple(
                    Lesion(_box(line), Kind.MASS, malignant=None)
                    for line in outlines
                    if is_mass_like(line["area"], line["polygon"])
                ),
                ignored=tuple(
                    _box(line)
                    for line in outlines
                    if not is_mass_like(line["area"], line["polygon"])
                ),
                kinds=frozenset({Kind.MASS}),
                shape=None,
            )
        )
    return records


def _box(line: dict[str, Any]) -> Box:
    x0, y0, x1, y1 = line["bbox"]
    return x0, y0, x1, y1


def is_mass_like(area: float, polygon: list[list[float]]) -> bool:
    """Whether an outline could be a mass: neither the whole breast nor a band along the skin."""
    perimeter = sum(
        math.dist(a, b) for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True)
    )
    circularity = 4 * math.pi * area / max(perimeter, 1.0) ** 2
    return SMALLEST <= area <= LARGEST and circularity >= ROUNDEST
