"""One image with all that its data set says of it, whatever data set it came from."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mammo.codes import Kind
from mammo.views import Laterality
from training.datasets.oddities import Oddity
from training.datasets.outlines import Box, Outline

__all__ = [
    "Annotation",
    "BiRads",
    "Box",
    "Density",
    "DensityScale",
    "Label",
    "LabelRule",
    "Lesion",
    "Modality",
    "Pattern",
    "Record",
    "Split",
    "worst",
]


class Split(StrEnum):
    """What an image may be used for; no patient is in two of them."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Modality(StrEnum):
    """What made the image."""

    FILM = "film"  # a screen-film mammogram, digitised
    DIGITAL = "digital"  # full-field digital mammography
    LOW_ENERGY = "low-energy"  # of a contrast-enhanced pair: looks like a digital mammogram
    SUBTRACTED = "subtracted"  # of the same pair: iodine alone, not for a mammogram's reader
    UNKNOWN = "unknown"


class Label(StrEnum):
    """What an image shows; the order of `worst`."""

    NORMAL = "N"
    BENIGN = "B"
    MALIGNANT = "M"


class LabelRule(StrEnum):
    """How a label was made: labels of two rules are not pooled without saying so."""

    PATHOLOGY = "pathology"  # worst pathology of its lesions; without callback counts as benign
    SEVERITY = "severity"  # a reader's opinion (MIAS)
    BIRADS = "birads"  # 1 is N, 2 and 3 are B, 4 to 6 are M; no pathology exists
    IMAGE = "image"  # pathology or follow-up, said of the image and of no lesion
    TRUTH = "truth"  # a phantom: it was made so
    NONE = "none"  # the data set says nothing


class DensityScale(StrEnum):
    """Scales of breast density; their values do not compare."""

    ACR_NUMBER = "acr-1-4"  # BI-RADS up to the fourth edition: shares of gland
    ACR_LETTER = "acr-a-d"  # BI-RADS, fifth edition
    MIAS = "mias-f-g-d"  # fatty, fatty-glandular, dense-glandular


class Pattern(StrEnum):
    """What an annotated lesion is; `Kind` is what the models tell apart of these."""

    MASS = "mass"
    CALCIFICATION = "calcification"
    DISTORTION = "distortion"
    ASYMMETRY = "asymmetry"
    OTHER = "other"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class Density:
    """Breast density, and the scale that it is on."""

    value: str
    scale: DensityScale


@dataclass(frozen=True, slots=True)
class BiRads:
    """A BI-RADS assessment as it is written, and its category; 4a to 4c are 4."""

    written: str
    number: int | None  # 0 to 6, the highest of several; None: cannot be read


@dataclass(frozen=True, slots=True)
class Annotation:
    """A lesion as its data set marks it, in pixels of the record's file."""

    outline: Outline | None  # None: it is on the image, but nobody said where
    pattern: Pattern
    label: Label | None = None  # B or M; None: not known for this lesion
    written: str = ""  # its kind or pathology in the data set's own words
    descriptors: tuple[str, ...] = ()
    birads: BiRads | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An image, whether or not its file is there."""

    image: str  # unique in its data set
    file: Path | None  # None: the data set's tables name it, and no file is there
    data_set: str
    modality: Modality
    patient: str  # never a study or a folder: what a split goes by
    laterality: Laterality | None
    view: str | None  # CC, MLO; None: not known
    size: tuple[int, int] | None = None  # rows, columns of the file; annotations are on these
    native_size: tuple[int, int] | None = None  # as acquired, where the file is a reduced copy
    spacing_um: float | None = None  # of the file's pixels
    study: str | None = None
    device: str | None = None  # digitiser or machine, as far as it is known
    age: int | None = None  # years
    density: Density | None = None
    birads: BiRads | None = None
    label: Label | None = None
    label_rule: LabelRule = LabelRule.NONE
    annotations: tuple[Annotation, ...] = ()
    split: Split | None = None  # the official one
    oddities: tuple[Oddity, ...] = ()

    @property
    def breast(self) -> str:
        """Names the breast, so that its views can be put together."""
        return f"{self.patient}/{self.laterality or '?'}"


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion with a box, as training and evaluation take it."""

    box: Box
    kind: Kind
    malignant: bool | None  # None: not known for this lesion
    detectability: float | None = None  # d', phantoms only
    specks: tuple[tuple[int, int], ...] = ()  # x, y of pixels that are calcified, phantoms only


def worst(labels: Iterable[Label]) -> Label | None:
    """The worst of some labels; None of none."""
    order = list(Label)
    return max(labels, key=order.index, default=None)
