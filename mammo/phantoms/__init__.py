"""Mammograms with known truth: made, not taken.

A study: `plan` -> `render` -> `encode`, `image_truth`, `study_truth`. For training:
`background` once, then `draw_lesion` and `insert` as often as wanted.
"""

from mammo.phantoms.background import Background, Resolution, background
from mammo.phantoms.dicom import encode
from mammo.phantoms.exposure import insert
from mammo.phantoms.lesions import Lesion, draw_lesion, draw_lesions, lesion_mask
from mammo.phantoms.plan import Label, StudyPlan, plan
from mammo.phantoms.study import PhantomImage, backgrounds, render
from mammo.phantoms.truth import ImageTruth, LesionTruth, StudyTruth, image_truth, study_truth

__all__ = [
    "Background",
    "ImageTruth",
    "Label",
    "Lesion",
    "LesionTruth",
    "PhantomImage",
    "Resolution",
    "StudyPlan",
    "StudyTruth",
    "background",
    "backgrounds",
    "draw_lesion",
    "draw_lesions",
    "encode",
    "image_truth",
    "insert",
    "lesion_mask",
    "plan",
    "render",
    "study_truth",
]
