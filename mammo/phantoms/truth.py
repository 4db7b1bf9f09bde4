"""What is known of a phantom study: the shape of `truth.json`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mammo.phantoms.lesions import Box, Lesion
from mammo.phantoms.plan import StudyPlan
from mammo.phantoms.study import PhantomImage


@dataclass(frozen=True, slots=True)
class LesionTruth:
    """A lesion in one image; `dataclasses.asdict` gives its JSON."""

    id: str
    kind: str
    malignant: bool
    box: Box  # x0, y0, x1, y1 in native pixels, the last two exclusive
    detectability: float  # d' of what can be known beforehand
    detectability_ske: float  # d' of the signal known exactly
    mask: str  # path of a PNG in native pixels, 0 and 255


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """An image of a study."""

    path: str
    sop_instance_uid: str
    laterality: str
    view: str
    lesions: tuple[LesionTruth, ...]


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """A study."""

    study_uid: str
    patient: str
    label: str
    density: str
    images: tuple[ImageTruth, ...]


def image_truth(image: PhantomImage, path: str, mask_path: Callable[[Lesion], str]) -> ImageTruth:
    """The truth of an image that is stored at `path`, its lesions' masks at `mask_path`."""
    return ImageTruth(
        path=path,
        sop_instance_uid=image.sop_instance_uid,
        laterality=str(image.laterality),
        view=str(image.projection),
        lesions=tuple(
            LesionTruth(
                id=lesion.id,
                kind=str(lesion.kind),
                malignant=lesion.malignant,
                box=lesion.box,
                detectability=round(lesion.detectability, 4),
                detectability_ske=round(lesion.detectability_ske, 4),
                mask=mask_path(lesion),
            )
            for lesion in image.lesions
        ),
    )


def study_truth(plan: StudyPlan, images: Sequence[ImageTruth]) -> StudyTruth:
    """The truth of a study whose images are these."""
    return StudyTruth(
        study_uid=plan.study_uid,
        patient=plan.patient.id,
        label=str(plan.label),
        density=str(plan.density),
        images=tuple(images),
    )
