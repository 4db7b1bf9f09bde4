"""CBIS-DDSM's mass films as training takes them: official test part, boxes, true proportions.

Films were squeezed to a square; 800 x 480 makes breasts look right. Masses have boxes;
calcifications that some films also hold have none.
"""

from pathlib import Path

from mammo.codes import Kind
from training.datasets.folders import held_back
from training.datasets.oddities import Oddity
from training.datasets.outlines import bounds
from training.datasets.readers import cbis_ddsm_mass_800 as reader
from training.datasets.record import Annotation, Box, Label, Lesion, Record, Split
from training.datasets.sample import Sample

NAME = reader.NAME
SHAPE = (800, 480)  # rows, columns: native films are 1.55 to 1.8 times as high as wide


def read(folder: Path) -> list[Sample]:
    """The films of `images/`, in the order of labels.csv."""
    return [_sample(record) for record in reader.squeezed(reader.read(folder))]


def _sample(record: Record) -> Sample:
    unmarked = Oddity.KIND_UNMARKED in record.oddities
    return Sample(
        record=record,
        split=Split.TEST if record.split is Split.TEST else held_back(NAME, record.patient),
        lesions=tuple(
            Lesion(box, Kind.MASS, _malignant(annotation))
            for annotation in record.annotations
            if (box := _unsqueezed(annotation))
        ),
        ignored=(),
        kinds=frozenset({Kind.MASS}) if unmarked else frozenset(Kind),
        shape=SHAPE,
    )


def _unsqueezed(annotation: Annotation) -> Box | None:
    """A box on the 800 x 800 picture as one on the 800 x 480 picture."""
    box = bounds(annotation.outline) if annotation.outline else None
    across = SHAPE[1] / 800
    return (box[0] * across, box[1], box[2] * across, box[3]) if box else None


def _malignant(annotation: Annotation) -> bool | None:
    return None if annotation.label is None else annotation.label is Label.MALIGNANT
