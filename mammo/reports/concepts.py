"""Coded concepts of mammography reports (PS3.16: annex D, CID 4014, 4015, 6014, 6022, 6034 to 6047)."""

from typing import NamedTuple

from mammo.codes import Kind
from mammo.views import MODIFIER_CODES, VIEW_CODES, Laterality, Modifier, Projection


class Concept(NamedTuple):
    """A code of a scheme."""

    value: str
    scheme: str
    meaning: str


def _dcm(value: str, meaning: str) -> Concept:
    return Concept(value, "DCM", meaning)


REPORT = _dcm("111036", "Mammography CAD Report")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
ENGLISH = Concept("en", "RFC5646", "English")
LIBRARY = _dcm("111028", "Image Library")
LATERALITY = _dcm("111027", "Image Laterality")
VIEW = _dcm("111031", "Image View")
VIEW_MODIFIER = _dcm("111032", "Image View Modifier")
ALONG_ROW = _dcm("111044", "Patient Orientation Row")
ALONG_COLUMN = _dcm("111043", "Patient Orientation Column")
STUDY_DATE = _dcm("111060", "Study Date")
STUDY_TIME = _dcm("111061", "Study Time")
CONTENT_DATE = _dcm("111018", "Content Date")
CONTENT_TIME = _dcm("111019", "Content Time")
HORIZONTAL_SPACING = _dcm("111026", "Horizontal Pixel Spacing")
VERTICAL_SPACING = _dcm("111066", "Vertical Pixel Spacing")

SUMMARY = _dcm("111017", "CAD Processing and Findings Summary")
ALL_WITHOUT = _dcm("111241", "All algorithms succeeded; without findings")
ALL_WITH = _dcm("111242", "All algorithms succeeded; with findings")
SOME_WITHOUT = _dcm("111243", "Not all algorithms succeeded; without findings")
SOME_WITH = _dcm("111244", "Not all algorithms succeeded; with findings")
NONE_WITHOUT = _dcm("111245", "No algorithms succeeded; without findings")

IMPRESSION = _dcm("111033", "Impression Description")
INDIVIDUAL = _dcm("111034", "Individual Impression/Recommendation")
RENDERING = _dcm("111056", "Rendering Intent")
REQUIRED = _dcm("111150", "Presentation Required: Rendering device is expected to present")
FINDING = _dcm("111059", "Single Image Finding")
PROBABILITY = _dcm("111047", "Probability of cancer")
CENTER = _dcm("111010", "Center")
OUTLINE = _dcm("111041", "Outline")
ALGORITHM_NAME = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")

DETECTIONS = _dcm("111064", "Summary of Detections")
ANALYSES = _dcm("111065", "Summary of Analyses")
SUCCEEDED = _dcm("111222", "Succeeded")
PARTIALLY = _dcm("111223", "Partially Succeeded")
FAILED = _dcm("111224", "Failed")
NOT_ATTEMPTED = _dcm("111225", "Not Attempted")
GOOD_DETECTIONS = _dcm("111063", "Successful Detections")
BAD_DETECTIONS = _dcm("111025", "Failed Detections")
GOOD_ANALYSES = _dcm("111062", "Successful Analyses")
BAD_ANALYSES = _dcm("111024", "Failed Analyses")
DETECTION = _dcm("111022", "Detection Performed")
ANALYSIS = _dcm("111004", "Analysis Performed")
INDIVIDUAL_ANALYSIS = _dcm("111233", "Individual Impression/Recommendation Analysis")
OVERALL_ANALYSIS = _dcm("111234", "Overall Impression/Recommendation Analysis")

PERCENT = Concept("%", "UCUM", "Percent")
MICROMETER = Concept("um", "UCUM", "micrometer")

SIDES = {  # CID 6022
    Laterality.LEFT: Concept("80248007", "SCT", "Left breast"),
    Laterality.RIGHT: Concept("73056007", "SCT", "Right breast"),
}
# CID 6014. A mass that is seen in one view is a density: "mass" is a word for two views.
KINDS = {
    Kind.MASS: Concept("129793001", "SCT", "Mammography breast density"),
    Kind.CALCIFICATION: Concept("129769006", "SCT", "Calcification Cluster"),
}
_VIEW_MEANINGS = {
    Projection.CC: "cranio-caudal",
    Projection.MLO: "medio-lateral oblique",
    Projection.ML: "medio-lateral",
    Projection.LM: "latero-medial",
    Projection.LMO: "latero-medial oblique",
    Projection.FB: "caudo-cranial (from below)",
    Projection.SIO: "superolateral to inferomedial oblique",
    Projection.ISO: "inferomedial to superolateral oblique",
    Projection.XCCL: "cranio-caudal exaggerated laterally",
    Projection.XCCM: "cranio-caudal exaggerated medially",
}
VIEWS = {  # CID 4014; "exaggerated", not said to which side, has no code
    view: Concept(code, scheme, _VIEW_MEANINGS[view])
    for (scheme, code), view in VIEW_CODES.items()
    if scheme == "SCT" and isinstance(view, Projection)
}
MODIFIERS: dict[Modifier, Concept] = {  # CID 4015
    modifier: Concept(code, scheme, modifier.replace("_", " ").capitalize())
    for (scheme, code), modifier in MODIFIER_CODES.items()
    if scheme == "SCT"
}
