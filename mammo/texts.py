"""What free text gives away: patterns over named attributes, and the marker each leaves.

Only the marker is kept: descriptions and comments hold names.
"""

import re
from typing import NamedTuple

from mammo import tags
from mammo.dataset import DataSet, plain
from mammo.facts import Marker


class TextRule(NamedTuple):
    """A pattern, looked for in upper case without accents."""

    marker: Marker
    attributes: tuple[int, ...]
    pattern: re.Pattern[str]


_PROCEDURE = (tags.REQUESTED_PROCEDURE, tags.STEP_DESCRIPTION)
_TECHNIQUE = (
    tags.PROTOCOL_NAME,
    tags.SERIES_DESCRIPTION,
    tags.DETECTOR_MODE,
    tags.PADDLE_DESCRIPTION,
)

_SYNTHETIC = re.compile(  # product names: Hologic, Hologic, Siemens, GE, Fujifilm
    r"\bC-?VIEW|\bINTELLIGENT ?2D|\bINSIGHT ?2D|\bV-?PREVIEW|\bS-?VIEW|\bSYNTHETIC"
)

TEXT_RULES = (
    TextRule(
        Marker.BIOPSY,
        (*_TECHNIQUE, *_PROCEDURE),
        re.compile(r"STEREO|BIOPS|PUNCT|LOCALI[SZ]"),
    ),
    TextRule(Marker.BIOPSY, _TECHNIQUE, re.compile(r"SPECIMEN")),
    TextRule(
        Marker.SPECIMEN, (tags.IMAGE_COMMENTS, tags.BODY_PART, *_PROCEDURE), re.compile(r"SPECIMEN")
    ),
    TextRule(
        Marker.SYNTHETIC,
        (tags.SERIES_DESCRIPTION, tags.IMAGE_COMMENTS, tags.DEVICE_PROCESSING, tags.MODEL_NAME),
        _SYNTHETIC,
    ),
    TextRule(
        Marker.CONTRAST,
        (tags.SERIES_DESCRIPTION, tags.PROTOCOL_NAME),
        re.compile(r"\bCEM\b|\bCESM\b|\bCEDM\b|SENOBRIGHT|\bI-?VIEW\b|TICEM"),
    ),
    TextRule(
        Marker.RECOMBINED,
        (tags.SERIES_DESCRIPTION, tags.PROTOCOL_NAME),
        re.compile(r"RECOMBINED|SUBTRACT"),
    ),
    TextRule(Marker.SPOT, (tags.PADDLE_DESCRIPTION, tags.PROTOCOL_NAME), re.compile(r"\bSPOT")),
    TextRule(
        Marker.MAGNIFICATION,
        (tags.PADDLE_DESCRIPTION, tags.PROTOCOL_NAME),
        re.compile(r"\bMAG(NIF\w*|N)?\b"),
    ),
    TextRule(Marker.QUALITY_CONTROL, (tags.VIEW_POSITION,), re.compile(r"FLAT ?FIELD")),
    TextRule(
        Marker.QUALITY_CONTROL,  # a physicist's tests are filed under such names
        (tags.PATIENT_NAME,),
        re.compile(r"^(PHYSICS|PHANTOM|FLAT ?FIELD|CALIBRATION|QUALITY ?CONTROL|QC)\b"),
    ),
    TextRule(Marker.BREAST, (tags.BODY_PART,), re.compile(r"BREAST|MAMMA")),
    TextRule(Marker.FILM_PART, (tags.SERIES_DESCRIPTION,), re.compile(r"CROPPED IMAGES|ROI MASK")),
)


def markers(header: DataSet) -> set[Marker]:
    """The markers that texts of a header leave."""
    found = {
        rule.marker
        for rule in TEXT_RULES
        if any(rule.pattern.search(_text(header, tag)) for tag in rule.attributes if tag in header)
    }
    if header.text(tags.CONTRAST_AGENT):  # an empty one means nothing
        found.add(Marker.CONTRAST)
    return found


def synthetic(text: str) -> bool:
    """Whether a text names a product that computes 2D views."""
    return _SYNTHETIC.search(plain([text])) is not None


def _text(header: DataSet, tag: int) -> str:
    return plain([header.text(tag)]).replace("^", " ").replace("_", " ")
