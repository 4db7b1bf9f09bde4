"""Phantom studies as `nightread phantoms` writes them: DICOM, masks and `truth.json`."""

import json
from pathlib import Path
from typing import Any

from training.datasets.collection import Collection, DatasetError, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Mask, Outline, Rectangle
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.values import density, laterality
from training.datasets.record import (
    Annotation,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    worst,
)

NAME = "phantom-files"
TRUTH = "truth.json"


def recognises(folder: Path) -> bool:
    """Whether the truth is there."""
    return (folder / TRUTH).is_file()


def read(folder: Path) -> Collection:
    """Every image of every study, in the order of the truth. Raises DatasetError without one."""
    try:
        studies = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DatasetError(f"{folder / TRUTH} cannot be read: write the phantoms anew.") from None
    records, problems = [], []
    for number, study in enumerate(studies if isinstance(studies, list) else [studies]):
        try:
            records += [_record(folder, study, image) for image in study["images"]]
        except (KeyError, ValueError, TypeError, AttributeError):
            problems.append(Problem(Oddity.ROW_BROKEN, f"{TRUTH}: study {number}"))
    problems += unlisted(folder, [record.file for record in records if record.file], {".dcm"})
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _record(folder: Path, study: dict[str, Any], image: dict[str, Any]) -> Record:
    oddities: list[Oddity] = []
    file, size = look(folder / image["path"], None, oddities)
    annotations = tuple(_annotation(folder, lesion, oddities) for lesion in image["lesions"])
    return Record(
        image=str(image["path"]),
        file=file,
        data_set=NAME,
        modality=Modality.DIGITAL,
        patient=str(study["patient"]),
        laterality=laterality(image["laterality"]),
        view=str(image["view"]),
        size=size,
        native_size=size,
        study=str(study["study_uid"]),
        density=density(str(study["density"]), DensityScale.ACR_LETTER, oddities),
        label=worst([Label.NORMAL, *(a.label for a in annotations if a.label)]),
        label_rule=LabelRule.TRUTH,
        annotations=annotations,
        oddities=tuple(oddities),
    )


def _annotation(folder: Path, lesion: dict[str, Any], oddities: list[Oddity]) -> Annotation:
    x0, y0, x1, y1 = map(float, lesion["box"])
    mask = folder / lesion["mask"]
    outline: Outline = Mask(mask, (x0, y0, x1, y1))
    if not mask.is_file():
        oddities.append(Oddity.MASK_MISSING)
        outline = Rectangle((x0, y0, x1, y1))
    return Annotation(
        outline,
        Pattern(lesion["kind"]),
        Label.MALIGNANT if lesion["malignant"] else Label.BENIGN,
        written=str(lesion["id"]),
        descriptors=(f"d' {lesion['detectability']}",),
    )


READER = Reader(
    NAME,
    "Phantoms",
    recognises,
    read,
    notes=("Phantoms: figures on them say nothing of women.",),
)
