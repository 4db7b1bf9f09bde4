"""Laterality and projection, the two halves of a mammographic view.

Codes: PS3.16 CID 4014 (view) and CID 4015 (view modifier), in SNOMED-RT, its older form SNM3
(same code values) and SNOMED CT.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Laterality(StrEnum):
    """Which breast (PS3.3 C.8.11.7, Image Laterality)."""

    LEFT = "L"
    RIGHT = "R"


class Projection(StrEnum):
    """The way of the beam through the breast (CID 4014)."""

    CC = "CC"
    MLO = "MLO"
    ML = "ML"
    LM = "LM"
    LMO = "LMO"
    FB = "FB"  # from below
    SIO = "SIO"
    ISO = "ISO"
    XCCL = "XCCL"
    XCCM = "XCCM"
    XCC = "XCC"  # exaggerated, not said to which side: text only


SCREENED = frozenset({Projection.CC, Projection.MLO})
STANDARD = tuple((side, view) for side in Laterality for view in (Projection.CC, Projection.MLO))


class Modifier(StrEnum):
    """What is special about a view (CID 4015)."""

    SPOT = "SPOT"
    MAGNIFICATION = "MAGNIFICATION"
    IMPLANT_DISPLACED = "IMPLANT_DISPLACED"
    CLEAVAGE = "CLEAVAGE"
    AXILLARY_TAIL = "AXILLARY_TAIL"
    AXILLARY_TISSUE = "AXILLARY_TISSUE"
    TANGENTIAL = "TANGENTIAL"
    ROLLED_LATERAL = "ROLLED_LATERAL"
    ROLLED_MEDIAL = "ROLLED_MEDIAL"
    ROLLED_INFERIOR = "ROLLED_INFERIOR"
    ROLLED_SUPERIOR = "ROLLED_SUPERIOR"
    NIPPLE_IN_PROFILE = "NIPPLE_IN_PROFILE"
    INFRA_MAMMARY_FOLD = "INFRA_MAMMARY_FOLD"
    ANTERIOR_COMPRESSION = "ANTERIOR_COMPRESSION"


NOT_SCREENING = frozenset(
    {
        Modifier.CLEAVAGE,
        Modifier.AXILLARY_TAIL,
        Modifier.AXILLARY_TISSUE,
        Modifier.TANGENTIAL,
        Modifier.ROLLED_LATERAL,
        Modifier.ROLLED_MEDIAL,
        Modifier.ROLLED_INFERIOR,
        Modifier.ROLLED_SUPERIOR,
    }
)

SCHEMES = {  # coding scheme designators that mean the same table
    **dict.fromkeys(("SRT", "SNM3", "SNM", "SNOMED", "SNOMED-RT"), "SRT"),
    **dict.fromkeys(("SCT", "SNOMED-CT"), "SCT"),
}

SPECIMEN = "SPECIMEN"  # CID 4014 counts it as a view
VIEW_CODES: dict[tuple[str, str], Projection | str] = {
    (scheme, code): view
    for view, srt, sct in (
        (Projection.CC, "R-10242", "399162004"),
        (Projection.MLO, "R-10226", "399368009"),
        (Projection.ML, "R-10224", "399260004"),
        (Projection.LM, "R-10228", "399352003"),
        (Projection.LMO, "R-10230", "399099002"),
        (Projection.FB, "R-10244", "399196006"),
        (Projection.SIO, "R-102D0", "399188001"),
        (Projection.ISO, "R-40AAA", "441555000"),
        (Projection.XCCL, "R-1024A", "399192008"),
        (Projection.XCCM, "R-1024B", "399101009"),
        (SPECIMEN, "G-8310", "127457009"),
    )
    for scheme, code in (("SRT", srt), ("SCT", sct))
}
MODIFIER_CODES: dict[tuple[str, str], Modifier] = {
    (scheme, code): modifier
    for modifier, srt, sct in (
        (Modifier.SPOT, "R-102D7", "399055006"),
        (Modifier.MAGNIFICATION, "R-102D6", "399163009"),
        (Modifier.IMPLANT_DISPLACED, "R-102D5", "399209000"),
        (Modifier.CLEAVAGE, "R-102D2", "399161006"),
        (Modifier.AXILLARY_TAIL, "R-102D1", "399011000"),
        (Modifier.AXILLARY_TISSUE, "R-40AB2", "442580003"),
        (Modifier.TANGENTIAL, "R-102C2", "399110001"),
        (Modifier.ROLLED_LATERAL, "R-102D3", "399197002"),
        (Modifier.ROLLED_MEDIAL, "R-102D4", "399226006"),
        (Modifier.ROLLED_INFERIOR, "R-102CA", "414493004"),
        (Modifier.ROLLED_SUPERIOR, "R-102C9", "415670009"),
        (Modifier.NIPPLE_IN_PROFILE, "R-40AB3", "442581004"),
        (Modifier.INFRA_MAMMARY_FOLD, "R-40ABE", "442593008"),
        (Modifier.ANTERIOR_COMPRESSION, "P2-00161", "441752004"),
    )
    for scheme, code in (("SRT", srt), ("SCT", sct))
}
LATERALITY_CODES = {  # anatomic regions and their modifiers (CID 4013, CID 244); B: both
    ("SRT", "T-04030"): "L",
    ("SCT", "80248007"): "L",
    ("SRT", "T-04020"): "R",
    ("SCT", "73056007"): "R",
    ("SRT", "G-A101"): "L",
    ("SCT", "7771000"): "L",
    ("SRT", "G-A100"): "R",
    ("SCT", "24028007"): "R",
    ("SRT", "G-A102"): "B",
    ("SCT", "51440002"): "B",
}
PHANTOM_CODES = frozenset({("SRT", "R-FE0C7"), ("SCT", "706342009")})


def concept(value: str, scheme: str) -> tuple[str, str]:
    """A code as the tables above spell it; the meaning never counts."""
    return SCHEMES.get(scheme, scheme), value


class TextView(NamedTuple):
    """What a text says of a view; each part may be unsaid."""

    projection: Projection | None = None
    laterality: str | None = None  # L, R or B
    modifiers: frozenset[Modifier] = frozenset()


SUFFIXES: dict[str, Modifier] = {
    "ID": Modifier.IMPLANT_DISPLACED,
    "RM": Modifier.ROLLED_MEDIAL,
    "RL": Modifier.ROLLED_LATERAL,
    "RI": Modifier.ROLLED_INFERIOR,
    "RS": Modifier.ROLLED_SUPERIOR,
    "SPOT": Modifier.SPOT,
    "MAG": Modifier.MAGNIFICATION,
}
ALONE: dict[str, Modifier] = {  # ACR's labels of views that have no projection of their own
    "AT": Modifier.AXILLARY_TAIL,
    "CV": Modifier.CLEAVAGE,
    "TAN": Modifier.TANGENTIAL,
}
SIDES = {
    **dict.fromkeys(("L", "LEFT", "G", "GAUCHE", "LINKS", "SIN"), "L"),
    **dict.fromkeys(("R", "RIGHT", "D", "DROIT", "DROITE", "RECHTS", "DEX"), "R"),
    "B": "B",
}
_VIEWS = "XCCL|XCCM|XCC|CC|MLO|LMO|SIO|ISO|ML|LM|FB"
_BEFORE = "(?P<before>RIGHT|LEFT|RECHTS|LINKS|DROITE?|GAUCHE|[RLB])"
_AFTER = "(?P<after>RIGHT|LEFT|RECHTS|LINKS|DROITE?|GAUCHE|[RLGD])"
_SUFFIX = f"(?P<suffix>{'|'.join(SUFFIXES)})"
# A whole value ("RMLO", "CC_", "MLOID", "LCCRM"): LM alone is latero-medial, RLM with its side.
_POSITION = re.compile(
    rf"(?:{_BEFORE} ?)??(?:(?P<view>{_VIEWS})|(?P<alone>{'|'.join(ALONE)}))(?: ?{_SUFFIX})?(?: {_AFTER})?"
)
# A view inside a sentence: ML and LM only with a side, since ML is also a volume.
_WITHIN = re.compile(
    rf"(?<![A-Z0-9])(?:{_BEFORE} ?)?(?P<view>{_VIEWS})(?: ?{_SUFFIX})?(?: {_AFTER})?(?![A-Z0-9])"
)
_SIDE_WORD = re.compile(r"(?<![A-Z])(RIGHT|LEFT|RECHTS|LINKS|DROITE?|GAUCHE)(?![A-Z])")


def from_position(text: str) -> TextView:
    """A value that names a view and nothing else, such as View Position (0018,5101)."""
    found = _POSITION.fullmatch(_normal(text))
    return _text_view(found) if found else TextView()


def from_sentence(text: str) -> TextView:
    """A view named in free text, such as a Series Description; nothing if it names several."""
    normal = _normal(text)
    found = [
        _text_view(match)
        for match in _WITHIN.finditer(normal)
        if match["view"] not in ("ML", "LM") or match["before"] or match["after"]
    ]
    sides = {SIDES[word] for word in _SIDE_WORD.findall(normal)}
    sides |= {one.laterality for one in found if one.laterality}
    views = {one.projection for one in found}
    return TextView(
        projection=views.pop() if len(views) == 1 else None,
        laterality=sides.pop() if len(sides) == 1 else None,
        modifiers=frozenset().union(*(one.modifiers for one in found)),
    )


def _normal(text: str) -> str:
    spaced = re.sub(r"[\s_\-./,]+", " ", text.upper()).strip()
    return re.sub(r"(?<=ML)0|(?<=LM)0", "O", spaced)  # a zero for the letter is a common slip


def _text_view(match: re.Match[str]) -> TextView:
    groups = match.groupdict()
    modifiers = {SUFFIXES[groups["suffix"]]} if groups["suffix"] else set()
    if groups.get("alone"):
        modifiers.add(ALONE[groups["alone"]])
    side = groups["before"] or groups["after"]
    return TextView(
        projection=Projection(groups["view"]) if groups["view"] else None,
        laterality=SIDES[side] if side else None,
        modifiers=frozenset(modifiers),
    )


def agreed(sides: Iterable[str | None]) -> tuple[str | None, bool]:
    """The first side that is said, and whether all that are said are the same."""
    said = [side for side in sides if side]
    return next(iter(said), None), len(set(said)) <= 1
