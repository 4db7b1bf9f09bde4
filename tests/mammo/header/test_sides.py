"""Which breast, and how the image hangs, by the header."""

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo.codes import Flag, Reason


def test_image_laterality_goes_first_then_the_series(make: Any) -> None:
    assert make.image().facts.laterality == "R"
    series = make.image(ImageLaterality=None, Laterality="L", PatientOrientation=["A", "R"])
    assert (series.facts.laterality, series.reason) == ("L", Reason.OK)
    assert make.image(ImageLaterality="", Laterality="L").facts.laterality == "L"


@pytest.mark.parametrize(
    ("value", "scheme", "side"),
    [
        ("T-04030", "SNM3", "L"),
        ("80248007", "SCT", "L"),
        ("T-04020", "SRT", "R"),
        ("73056007", "SCT", "R"),
    ],
)
def test_an_anatomic_region_may_name_the_side(
    make: Any, value: str, scheme: str, side: str
) -> None:
    region = Sequence([make.code(value, scheme)])
    image = make.image(ImageLaterality=None, AnatomicRegionSequence=region)
    assert image.facts.laterality == side


def test_a_modifier_of_the_region_may_name_the_side(make: Any) -> None:
    region = make.code("76752008", "SCT")
    region.AnatomicRegionModifierSequence = Sequence([make.code("7771000", "SCT")])
    image = make.image(ImageLaterality=None, AnatomicRegionSequence=Sequence([region]))
    assert image.facts.laterality == "L"


def test_a_frames_laterality_counts(make: Any) -> None:
    anatomy, shared = Dataset(), Dataset()
    anatomy.FrameLaterality = "L"
    shared.FrameAnatomySequence = Sequence([anatomy])
    image = make.image(ImageLaterality=None, SharedFunctionalGroupsSequence=Sequence([shared]))
    assert image.facts.laterality == "L"


def test_text_is_the_last_resort(make: Any) -> None:
    image = make.image(ImageLaterality=None, SeriesDescription="Left breast")
    assert image.facts.laterality == "L"
    assert make.image(SeriesDescription="Left breast").reason is Reason.OK


def test_both_breasts_are_no_screening_view(make: Any) -> None:
    assert make.image(ImageLaterality="B").reason is Reason.VIEW_NOT_SCREENING


@pytest.mark.parametrize("value", [None, "", "U"])
def test_no_side_anywhere_is_unknown(make: Any, value: str | None) -> None:
    assert make.image(ImageLaterality=value).reason is Reason.LATERALITY_UNKNOWN


def test_attributes_that_disagree_are_accepted_for_review(make: Any) -> None:
    image = make.image(Laterality="L")
    assert image.reason is Reason.REVIEW_LATERALITY_CONFLICT
    assert image.facts.laterality == "R"
    assert make.image(ViewPosition="LCC").reason is Reason.REVIEW_LATERALITY_CONFLICT


def test_the_first_review_in_the_documents_order_is_the_reason(make: Any) -> None:
    judged = make.image(Laterality="L", ViewPosition="MLO").judged()
    assert judged.reason is Reason.REVIEW_LATERALITY_CONFLICT
    assert judged.reviewed([Reason.REVIEW_SIDE_MISMATCH]).reason is Reason.REVIEW_SIDE_MISMATCH
    assert judged.reviewed([Reason.REVIEW_NO_BREAST]).reason is judged.reason


def test_what_pixels_show_makes_no_excluded_image_accepted(make: Any) -> None:
    judged = make.image(ImageLaterality="B").judged()
    seen = judged.reviewed([Reason.REVIEW_SIDE_MISMATCH], [Flag.W_VOI_MISSING])
    assert (seen.verdict, seen.reason) == (judged.verdict, judged.reason)
    assert Flag.W_VOI_MISSING in seen.flags


@pytest.mark.parametrize(
    ("orientation", "kept", "turned"),
    [
        (["P", "L"], ("P", "L"), False),
        (["P", "FL"], ("P", "FL"), False),
        (["a", "r"], ("A", "R"), False),
        (["R", "P"], ("R", "P"), True),
        (["F", "AR"], ("F", "AR"), True),
        ("CC", None, False),
        (["X", "Y"], None, False),
        ("", None, False),
    ],
)
def test_patient_orientation(
    make: Any, orientation: Any, kept: tuple[str, str] | None, turned: bool
) -> None:
    image = make.image(PatientOrientation=orientation)
    assert image.facts.patient_orientation == kept
    assert (Flag.W_TURNED in image.flags) is turned


def test_a_view_in_patient_orientation_is_a_view(make: Any) -> None:
    image = make.image(PatientOrientation="MLO", ViewCodeSequence=None, ViewPosition=None)
    assert (image.facts.view, image.facts.patient_orientation) == ("MLO", None)
