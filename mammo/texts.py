"""What free text gives away: patterns over named attributes, and the marker each leaves.

Only the marker is kept: descriptions and comments hold names.
"""

import re
from typing import NamedTuple

from mammo.dataset import DataSet, plain
from mammo.facts import Marker

BODY_PART = 0x00180015
SERIES_DESCRIPTION = 0x0008103E
MODEL = 0x00081090
CONTRAST_AGENT = 0x00180010
PROTOCOL = 0x00181030
PADDLE = 0x001811A4
PROCESSING = 0x00181400  # Acquisition Device Processing Description
VIEW_POSITION = 0x00185101
DETECTOR_MODE = 0x00187008
COMMENTS = 0x00204000
REQUESTED_PROCEDURE = 0x00321060
STEP_DESCRIPTION = 0x00400254  # of the Performed Procedure Step
PATIENT_NAME = 0x00100010


class TextRule(NamedTuple):
    """A pattern, looked for in upper case without accents."""

    marker: Marker
    attributes: tuple[int, ...]
    pattern: re.Pattern[str]


_PROCEDURE = (REQUESTED_PROCEDURE, STEP_DESCRIPTION)
_TECHNIQUE = (PROTOCOL, SERIES_DESCRIPTION, DETECTOR_MODE, PADDLE)

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
    TextRule(Marker.SPECIMEN, (COMMENTS, BODY_PART, *_PROCEDURE), re.compile(r"SPECIMEN")),
    TextRule(Marker.SYNTHETIC, (SERIES_DESCRIPTION, COMMENTS, PROCESSING, MODEL), _SYNTHETIC),
    TextRule(
        Marker.CONTRAST,
        (SERIES_DESCRIPTION, PROTOCOL),
        re.compile(r"\bCEM\b|\bCESM\b|\bCEDM\b|SENOBRIGHT|\bI-?VIEW\b|TICEM"),
    ),
    TextRule(Marker.RECOMBINED, (SERIES_DESCRIPTION, PROTOCOL), re.compile(r"RECOMBINED|SUBTRACT")),
    TextRule(Marker.SPOT, (PADDLE, PROTOCOL), re.compile(r"\bSPOT")),
    TextRule(Marker.MAGNIFICATION, (PADDLE, PROTOCOL), re.compile(r"\bMAG(NIF\w*|N)?\b")),
    TextRule(Marker.QUALITY_CONTROL, (VIEW_POSITION,), re.compile(r"FLAT ?FIELD")),
    TextRule(
        Marker.QUALITY_CONTROL,  # a physicist's tests are filed under such names
        (PATIENT_NAME,),
        re.compile(r"^(PHYSICS|PHANTOM|FLAT ?FIELD|CALIBRATION|QUALITY ?CONTROL|QC)\b"),
    ),
    TextRule(Marker.BREAST, (BODY_PART,), re.compile(r"BREAST|MAMMA")),
    TextRule(Marker.FILM_PART, (SERIES_DESCRIPTION,), re.compile(r"CROPPED IMAGES|ROI MASK")),
)


def markers(header: DataSet) -> set[Marker]:
    """The markers that texts of a header leave."""
    found = {
        rule.marker
        for rule in TEXT_RULES
        if any(rule.pattern.search(_text(header, tag)) for tag in rule.attributes if tag in header)
    }
    if header.text(CONTRAST_AGENT):  # an empty one means nothing
        found.add(Marker.CONTRAST)
    return found


def synthetic(text: str) -> bool:
    """Whether a text names a product that computes 2D views."""
    return _SYNTHETIC.search(plain([text])) is not None


def _text(header: DataSet, tag: int) -> str:
    return plain([header.text(tag)]).replace("^", " ").replace("_", " ")
