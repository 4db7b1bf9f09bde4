"""INbreast's outlines: Apple property lists, read by their keys and not by their order."""

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Outline, clipped, polygon_or_disc
from training.datasets.readers.files import Size
from training.datasets.record import Annotation, BiRads, Label, Pattern

POINT = re.compile(r"\(\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\)")
SPICULES = re.compile(r"e?spiculated region", re.IGNORECASE)
PATTERNS = (  # the beginning of a ROI's name, lower case
    ("mass", Pattern.MASS),
    ("calcification", Pattern.CALCIFICATION),
    ("cluster", Pattern.CALCIFICATION),
    ("point", Pattern.CALCIFICATION),  # single ones are marked as points
    ("distortion", Pattern.DISTORTION),
    ("asymmetry", Pattern.ASYMMETRY),
    ("assymetry", Pattern.ASYMMETRY),
)


def read_outlines(
    path: Path,
    size: Size | None,
    label: Label | None,
    grade: BiRads | None,
    oddities: list[Oddity],
) -> tuple[tuple[Annotation, ...], list[Problem]]:
    """The outlines of an image; none where there is no file, for then there is no finding."""
    if not path.is_file():
        if label is Label.MALIGNANT:
            oddities.append(Oddity.UNMARKED_LESION)
        return (), []
    try:
        rois = list(_rois(path))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
        ExpatError,
    ):
        return (), [Problem(Oddity.ROW_BROKEN, f"AllXML/{path.name}", "no list of outlines")]
    found = []
    masses = any(_pattern(name) is Pattern.MASS for name, _, _ in rois)
    for name, points, announced in rois:
        if SPICULES.fullmatch(name):
            if masses:  # drawn around the mass once more
                oddities.append(Oddity.SPICULES_OF_MASS)
                continue
            pattern = Pattern.DISTORTION
        else:
            pattern = _pattern(name) or Pattern.OTHER
            oddities += [Oddity.KIND_UNKNOWN] * (_pattern(name) is None)
        if announced != len(points):
            oddities.append(Oddity.POINTS_DIFFER)
        place: Outline | None = None
        try:
            place, disc = polygon_or_disc(points)
            oddities += [Oddity.POINT_AS_DISC] * disc
            if size is not None:
                place, cut = clipped(place, size)
                oddities += [Oddity.OUTLINE_CLIPPED] * cut
        except ValueError:
            oddities.append(Oddity.OUTLINE_BROKEN)
        inherited = None if label is Label.NORMAL else label
        found.append(Annotation(place, pattern, inherited, written=name, birads=grade))
    return tuple(found), []


def _rois(path: Path) -> Iterator[tuple[str, list[tuple[float, float]], int]]:
    """Name, points and announced number of points of each outline, by the property list's keys."""
    with path.open("rb") as file:
        document: dict[str, Any] = plistlib.load(file)
    for image in document["Images"]:
        for roi in image["ROIs"]:
            matches = [POINT.fullmatch(str(point).strip()) for point in roi.get("Point_px", [])]
            # One that is no point is skipped: the announced number tells.
            points = [(float(match[1]), float(match[2])) for match in matches if match]
            yield str(roi.get("Name", "")).strip(), points, int(roi.get("NumberOfPoints", 0))


def _pattern(name: str) -> Pattern | None:
    lower = name.lower()
    return next((pattern for start, pattern in PATTERNS if lower.startswith(start)), None)
