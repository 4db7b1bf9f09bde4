"""What kind of object and of image it is: not every readable picture is to be screened."""

from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo.codes import Flag, Reason, SourceKind, Verdict
from mammo.verdict import RULE_VERSION, Policy, kind
from mammo.views import Projection

ROOT = "1.2.840.10008.5.1.4.1.1"
TEXTS = ("ProtocolName", "SeriesDescription", "PerformedProcedureStepDescription")


# --- SOP class and modality


@pytest.mark.parametrize(
    ("uid", "reason"),
    [
        (f"{ROOT}.13.1.3", Reason.TOMO_VOLUME),
        (f"{ROOT}.13.1.4", Reason.TOMO_PROJECTION),
        (f"{ROOT}.13.1.5", Reason.TOMO_PROJECTION),
        (f"{ROOT}.2", Reason.TOMO_SLICE),
        (f"{ROOT}.2.1", Reason.TOMO_SLICE),
        *(
            (f"{ROOT}.7{suffix}", Reason.SOP_SECONDARY_CAPTURE)
            for suffix in ("", ".1", ".2", ".3", ".4")
        ),
        *((f"{ROOT}.1{suffix}", Reason.SOP_CR_DX) for suffix in ("", ".1", ".1.1")),
        (f"{ROOT}.4", Reason.SOP_OTHER),
        ("1.3.6.1.4.1.9590.7", Reason.SOP_OTHER),
        (f"{ROOT}.88.50", Reason.NON_IMAGE_CAD_SR),
        (f"{ROOT}.88.67", Reason.NON_IMAGE_DOSE_SR),
        (f"{ROOT}.88.76", Reason.NON_IMAGE_DOSE_SR),
        *((f"{ROOT}.88.{n}", Reason.NON_IMAGE_SR) for n in (11, 22, 33, 34, 35, 59)),
        *((f"{ROOT}.11.{n}", Reason.NON_IMAGE_PRESENTATION_STATE) for n in (1, 2, 3, 4, 5, 8)),
        (f"{ROOT}.104.1", Reason.NON_IMAGE_DOCUMENT),
        (f"{ROOT}.66", Reason.NON_IMAGE_RAW),
        (f"{ROOT}.66.4", Reason.NON_IMAGE_OTHER),
    ],
)
def test_another_class_is_excluded_by_its_name(make: Any, uid: str, reason: Reason) -> None:
    assert make.image(SOPClassUID=uid).reason is reason
    data = make.encoded(make.mammogram(SOPClassUID=uid))  # nor does it need pixels
    assert make.object(data, len(data)).reason is reason


def test_a_media_directory_is_an_object_without_an_instance(make: Any) -> None:
    ds = Dataset()
    ds.FileSetID = "ARCHIVE"
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    data = make.encoded(ds)
    header = make.object(data, len(data)).header
    assert (header.facts, header.judgement.reason) == (None, Reason.NON_IMAGE_DICOMDIR)


def test_a_ct_of_another_part_is_no_tomosynthesis(make: Any) -> None:
    ct = {"SOPClassUID": f"{ROOT}.2", "BodyPartExamined": "CHEST"}
    assert make.image(**ct).reason is Reason.SOP_OTHER
    tomo = ["DERIVED", "PRIMARY", "TOMO"]
    assert make.image(**ct, ImageType=tomo).reason is Reason.TOMO_SLICE


@pytest.mark.parametrize("modality", ["CR", "OT", None])
def test_a_mammography_class_needs_modality_mg(make: Any, modality: str | None) -> None:
    assert make.image(Modality=modality).reason is Reason.MODALITY_OTHER


# --- Image Type


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        *(
            (term, Reason.BIOPSY_STEREO)
            for term in (
                "STEREO_SCOUT",
                "STEREO_MINUS",
                "STEREO_PLUS",
                "PREFIRE_MINUS",
                "PREFIRE_PLUS",
                "POSTFIRE_MINUS",
                "POSTFIRE_PLUS",
                "POSTBIOPSY",
                "POSTBIOPSY_MINUS",
                "POSTBIOPSY_PLUS",
                "POSTMARKER",
                "TOMO_SCOUT",
                "PREFIRE",
                "POSTFIRE",
                "STEREO",
            )
        ),
        ("TOMO_PROJ", Reason.TOMO_PROJECTION),
        ("TOMOSYNTHESIS", Reason.TOMO_SLICE),
        ("TOMO", Reason.TOMO_SLICE),
        ("GENERATED_2D", Reason.SYNTHETIC_2D),
        ("ADDITION", Reason.CONTRAST_RECOMBINED),
        ("SUBTRACTION", Reason.CONTRAST_RECOMBINED),
        ("LOW_ENERGY", Reason.CONTRAST_LOW_ENERGY),
        ("HIGH_ENERGY", Reason.CONTRAST_HIGH_ENERGY),
        ("PRE_CONTRAST", Reason.CONTRAST_RECOMBINED),
        ("POST_CONTRAST", Reason.CONTRAST_RECOMBINED),
    ],
)
@pytest.mark.parametrize("position", [3, 4, 5, 6])
def test_a_term_counts_at_any_position_however_it_is_written(
    make: Any, term: str, reason: Reason, position: int
) -> None:
    for written in (term, term.lower(), f" {term} ", term.replace("_", " ")):
        values = ["ORIGINAL", "PRIMARY", *[""] * (position - 3), written]
        assert make.image(ImageType=values).reason is reason, written


def test_terms_before_the_third_value_mean_nothing(make: Any) -> None:
    assert make.image(ImageType=["DERIVED", "PRIMARY"]).reason is Reason.OK
    assert make.image(ImageType=None).reason is Reason.OK
    assert make.image(ImageType=["DERIVED", "GENERATED_2D"]).reason is Reason.OK


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["DERIVED", "PRIMARY", "STEREO", "LEFT"], Reason.BIOPSY_STEREO),  # Siemens
        (["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"], Reason.CONTRAST_LOW_ENERGY),  # GE
        (["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"], Reason.SYNTHETIC_2D),
        (["ORIGINAL", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"], Reason.CONTRAST_LOW_ENERGY),
    ],
)
def test_terms_of_vendors(make: Any, values: list[str], reason: Reason) -> None:
    assert make.image(ImageType=values).reason is reason


# --- without a term


@pytest.mark.parametrize(
    "keyword", [*TEXTS, "RequestedProcedureDescription", "DetectorMode", "PaddleDescription"]
)
@pytest.mark.parametrize(
    "text", ["STEREO", "vacuum biopsy", "PUNCTIE BORST", "localisation", "Localizer"]
)
def test_a_biopsy_is_known_by_its_texts(make: Any, keyword: str, text: str) -> None:
    assert make.image(**{keyword: text}).reason is Reason.BIOPSY_STEREO


def test_accents_do_not_hide_a_word(make: Any) -> None:
    assert make.image(ProtocolName="stéréotaxie").reason is Reason.BIOPSY_STEREO


def test_a_small_field_is_a_biopsy_only_when_turned(make: Any) -> None:
    assert make.image(FieldOfViewDimensions=[79, 99]).reason is Reason.FIELD_TOO_SMALL
    turned = {"FieldOfViewDimensions": [79, 99], "PatientOrientation": ["R", "P"]}
    assert make.image(**turned).reason is Reason.BIOPSY_STEREO
    assert make.image(FieldOfViewDimensions=[239, 306]).reason is Reason.OK
    assert make.image(PatientOrientation=["R", "P"]).judged().flags == (Flag.W_TURNED,)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("SeriesDescription", "R CC C-View"),
        ("SeriesDescription", "R CC CView"),
        ("ImageComments", "Intelligent 2D"),
        ("AcquisitionDeviceProcessingDescription", "INSIGHT 2D"),
        ("ManufacturerModelName", "V-Preview"),
        ("SeriesDescription", "S-View CC"),
    ],
)
def test_a_computed_view_is_known_by_its_products_name(make: Any, keyword: str, text: str) -> None:
    image = make.image(**{keyword: text})
    assert image.reason is Reason.SYNTHETIC_2D
    assert image.facts.source_kind is SourceKind.SYNTHETIC_2D
    assert image.judged(accept_synthetic_2d=True).reason is Reason.OK_SYNTHETIC_2D


def test_a_modifiers_meaning_may_name_the_product(make: Any) -> None:
    view = make.code("R-10242", "SRT")
    view.ViewModifierCodeSequence = Sequence([make.code("X", "99HOLX", "C-View")])
    assert make.image(ViewCodeSequence=Sequence([view])).reason is Reason.SYNTHETIC_2D


@pytest.mark.parametrize("text", ["R CC VIEW", "lateral views", "CC's view"])
def test_an_ordinary_view_is_not_computed(make: Any, text: str) -> None:
    assert make.image(SeriesDescription=text).reason is Reason.OK


@pytest.mark.parametrize("text", ["CESM", "CEM R CC", "CEDM", "SenoBright", "I-View", "TiCEM"])
def test_a_contrast_study_is_known_by_its_texts(make: Any, text: str) -> None:
    assert make.image(SeriesDescription=text).reason is Reason.CONTRAST_RECOMBINED
    assert make.image(ProtocolName=text).reason is Reason.CONTRAST_RECOMBINED


def test_a_contrast_agent_counts_only_with_a_value(make: Any) -> None:
    assert make.image(ContrastBolusAgent="Iohexol").reason is Reason.CONTRAST_RECOMBINED
    assert make.image(ContrastBolusAgent="").reason is Reason.OK


def test_a_low_energy_image_is_accepted_by_policy_recombined_ones_never(make: Any) -> None:
    low = make.image(ImageType=["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"], ContrastBolusAgent="X")
    assert low.judged(accept_low_energy=True).reason is Reason.OK_LOW_ENERGY
    other = make.image(SeriesDescription="CESM recombined")
    assert other.judged(accept_low_energy=True).reason is Reason.CONTRAST_RECOMBINED


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageComments": "specimen radiograph"},
        {"BodyPartExamined": "SPECIMEN"},
        {"RequestedProcedureDescription": "Specimen"},
        {"SpecimenDescriptionSequence": Sequence([Dataset()])},
    ],
)
def test_a_specimen_is_excluded(make: Any, changes: dict[str, Any]) -> None:
    assert make.image(**changes).reason is Reason.SPECIMEN


@pytest.mark.parametrize(
    "changes",
    [
        {"QualityControlImage": "YES"},
        {"CalibrationImage": "YES"},
        {"ViewPosition": "FLATFIELD"},
        {"PatientName": "Physics^TomoSTPRotating"},
        {"PatientName": "QC^Daily"},
    ],
)
def test_quality_control_is_excluded(make: Any, changes: dict[str, Any]) -> None:
    assert make.image(**changes).reason is Reason.QUALITY_CONTROL


@pytest.mark.parametrize(("value", "scheme"), [("R-FE0C7", "SRT"), ("706342009", "SCT")])
def test_a_phantom_is_quality_control(make: Any, value: str, scheme: str) -> None:
    region = Sequence([make.code(value, scheme, "Phantom")])
    assert make.image(AnatomicRegionSequence=region).reason is Reason.QUALITY_CONTROL


def test_real_mammograms_say_no_to_quality_control(make: Any) -> None:
    assert make.image(QualityControlImage="NO", PatientName="Qcumber^A").reason is Reason.OK


# --- intent


def test_a_raw_image_is_excluded_unless_the_policy_admits_it(make: Any) -> None:
    raw = make.image(SOPClassUID=f"{ROOT}.1.2.1", PresentationIntentType="FOR PROCESSING")
    assert raw.reason is Reason.INTENT_FOR_PROCESSING
    assert raw.judged(accept_for_processing=True).reason is Reason.OK_FOR_PROCESSING
    assert raw.flags == ()


def test_the_class_wins_over_the_stated_intent(make: Any) -> None:
    image = make.image(PresentationIntentType="FOR PROCESSING")
    assert (image.reason, image.flags) == (Reason.OK, (Flag.W_INTENT_CONFLICT,))
    raw = make.image(SOPClassUID=f"{ROOT}.1.2.1")
    assert (raw.reason, raw.flags) == (Reason.INTENT_FOR_PROCESSING, (Flag.W_INTENT_CONFLICT,))
    assert make.image(PresentationIntentType=None).judged().flags == ()


# --- spot, magnification, size


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"EstimatedRadiographicMagnificationFactor": 1.5}, Reason.MAGNIFICATION),
        ({"EstimatedRadiographicMagnificationFactor": 1.073}, Reason.OK),
        ({"PaddleDescription": "10CM SPOT"}, Reason.SPOT),
        ({"ProtocolName": "spot compression"}, Reason.SPOT),
        ({"PaddleDescription": "MAG 7.5cm"}, Reason.MAGNIFICATION),
        ({"ProtocolName": "Magnification"}, Reason.MAGNIFICATION),
        ({"ProtocolName": "2D image"}, Reason.OK),
        ({"Rows": 512, "Columns": 512}, Reason.IMAGE_TOO_SMALL),
        ({"Rows": 999, "Columns": 800}, Reason.IMAGE_TOO_SMALL),
        ({"Rows": 1000, "Columns": 700}, Reason.OK),
        ({"Rows": 700, "Columns": 1000}, Reason.OK),
        ({"Rows": 2000, "Columns": 699}, Reason.IMAGE_TOO_SMALL),
    ],
)
def test_coned_magnified_and_small_images(
    make: Any, changes: dict[str, Any], reason: Reason
) -> None:
    assert make.image(**changes).reason is reason


# --- flags


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, Flag.W_8BIT),
        ({"LossyImageCompression": "01"}, Flag.W_LOSSY),
        ({"BurnedInAnnotation": "YES"}, Flag.W_BURNED_IN),
        ({"PresentationLUTShape": "INVERSE"}, Flag.W_POLARITY_CONFLICT),
        ({"PhotometricInterpretation": "MONOCHROME1"}, Flag.W_POLARITY_CONFLICT),
        ({"ImagerPixelSpacing": None}, Flag.W_SPACING_INVALID),
        ({"ImagerPixelSpacing": [74.7, 46.5]}, Flag.W_SPACING_INVALID),
        ({"PatientBirthDate": "00000000"}, Flag.W_VR_INVALID),
    ],
)
def test_what_is_odd_is_flagged_on_an_accepted_image(
    make: Any, changes: dict[str, Any], flag: Flag
) -> None:
    judged = make.image(**changes).judged()
    assert (judged.reason, judged.flags) == (Reason.OK, (flag,))


def test_spacing_lies_in_the_breasts_plane_and_has_an_order_of_sources(make: Any) -> None:
    image = make.image(
        ImagerPixelSpacing=[0.1, 0.05], EstimatedRadiographicMagnificationFactor=1.25
    )
    assert image.facts.spacing == pytest.approx((0.08, 0.04))
    other = make.image(ImagerPixelSpacing=None, DetectorElementSpacing=[0.1, 0.1])
    assert other.facts.spacing == (0.1, 0.1)
    both = make.image(
        ImagerPixelSpacing=None, DetectorElementSpacing=[0.1, 0.1], PixelSpacing=[0.05, 0.05]
    )
    assert both.facts.spacing == (0.05, 0.05)
    calibrated = make.image(
        ImagerPixelSpacing=None,
        PixelSpacing=[0.05, 0.05],
        EstimatedRadiographicMagnificationFactor=1.25,
    )
    assert calibrated.facts.spacing == (0.05, 0.05)  # already in the breast's plane


# --- digitised film


FILM: dict[str, Any] = {
    "SOPClassUID": f"{ROOT}.7",
    "ImageType": None,
    "DetectorType": None,
    "ViewCodeSequence": None,
    "ViewPosition": None,
    "PatientOrientation": "CC",
    "ImageLaterality": None,
    "Laterality": "R",
    "SeriesDescription": "full mammogram images",
}


def test_film_is_accepted_only_when_the_policy_says_so(make: Any) -> None:
    film = make.image(**FILM)
    assert film.reason is Reason.SOP_SECONDARY_CAPTURE
    assert film.judged(accept_film_sc=True).reason is Reason.OK_FILM_SC
    assert film.facts.source_kind is SourceKind.FILM
    assert Flag.W_FILM in film.flags


def test_film_in_a_mammography_object_is_flagged_for_the_release_to_decide(make: Any) -> None:
    image = make.image(DetectorType="FILM")
    assert (image.reason, image.flags) == (Reason.OK, (Flag.W_FILM,))
    assert image.facts.source_kind is SourceKind.FILM


@pytest.mark.parametrize(
    "changes",
    [
        {"SeriesDescription": "cropped images"},
        {"SeriesDescription": "ROI mask images"},
        {"BurnedInAnnotation": "YES"},
        {"Laterality": None},
        {"PatientOrientation": None},
        {"Rows": 900, "Columns": 650},
        {"NumberOfFrames": 2},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        {"Modality": "OT"},
    ],
)
def test_a_capture_that_is_no_whole_film_stays_excluded(make: Any, changes: dict[str, Any]) -> None:
    image = make.image(**{**FILM, **changes})
    assert image.judged(accept_film_sc=True).reason is Reason.SOP_SECONDARY_CAPTURE


# --- what a policy and a manufacturer change


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        (FILM, {"accept_film_sc": True}),
        ({"SOPClassUID": f"{ROOT}.1.2.1"}, {"accept_for_processing": True}),
        ({"SeriesDescription": "R CC C-View"}, {"accept_synthetic_2d": True}),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, {"accept_low_energy": True}),
        (
            {"ViewCodeSequence": None, "ViewPosition": "ML"},
            {"extra_views": frozenset({Projection.ML})},
        ),
    ],
)
def test_the_kind_of_an_image_does_not_depend_on_who_admits_it(
    make: Any, changes: dict[str, Any], policy: dict[str, Any]
) -> None:
    image = make.image(**changes)
    assert image.judged(**policy).verdict is Verdict.ACCEPTED
    assert kind(image.facts) is image.reason
    assert image.reason.verdict is Verdict.EXCLUDED


@pytest.mark.parametrize("name", ["GE MEDICAL SYSTEMS", "SIEMENS", "", None, "C-View STEREO"])
def test_no_rule_looks_at_the_manufacturers_name(make: Any, name: str | None) -> None:
    plain, other = make.image(), make.image(Manufacturer=name)
    assert other.judged() == plain.judged()
    kept = {"manufacturer": None, "source_kind": SourceKind.UNKNOWN}
    assert replace(other.facts, **kept) == replace(plain.facts, **kept)


def test_a_policy_is_what_json_states_and_its_version_names_it() -> None:
    stated = {"accept_film_sc": True, "extra_views": ["ML", "LM"]}
    policy = Policy.from_dict(stated)
    assert policy == Policy(
        accept_film_sc=True, extra_views=frozenset({Projection.ML, Projection.LM})
    )
    assert policy.rule_version == f"{RULE_VERSION}+accept_film_sc+LM+ML"
    assert Policy.from_dict({}) == Policy()
    assert Policy().rule_version == str(RULE_VERSION)


@pytest.mark.parametrize(
    ("stated", "wrong"),
    [
        ({"accept_film": True}, "`accept_film` is none of"),
        ({"accept_film_sc": "yes"}, "`accept_film_sc` is neither true nor false"),
        ({"extra_views": "ML"}, "`extra_views` is not a list of views"),
        ({"extra_views": ["AP"]}, "`extra_views` is not a list of views"),
        ({"extra_views": [{}]}, "`extra_views` is not a list of views"),
    ],
)
def test_a_policy_that_states_something_else_is_refused(stated: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Policy.from_dict(stated)
