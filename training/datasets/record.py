"""One picture with what is known about it, whatever data set it came from."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mammo.codes import Kind, SourceKind
from mammo.views import Laterality

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, pixels, (0, 0) the outer corner


class Split(StrEnum):
    """What a picture may be used for; no patient is in two of them."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion as it shows on one picture."""

    box: Box
    kind: Kind
    malignant: bool | None  # None: not known for this lesion
    detectability: float | None = None  # d', phantoms only
    specks: tuple[tuple[int, int], ...] = ()  # x, y of pixels that are calcified, phantoms only


@dataclass(frozen=True, slots=True)
class Record:
    """A picture on disk; boxes are in its stored pixels."""

    source: str  # the data set's folder name
    name: str  # of the picture, unique in its data set
    path: Path
    source_kind: SourceKind
    patient: str
    laterality: Laterality
    view: str  # CC, MLO
    split: Split
    malignant: bool  # the picture's label, by pathology
    lesions: tuple[Lesion, ...]
    ignored: tuple[Box, ...]  # neither a lesion nor healthy: drawn, but not as a lesion is
    kinds: frozenset[Kind]  # of which all lesions are marked
    shape: tuple[int, int] | None  # rows, columns to stretch to first; None: right as stored
