"""The view and the side of an image, by all the attributes that may say so."""

from collections.abc import Sequence
from typing import NamedTuple

from mammo import tags, texts
from mammo.codes import Flag
from mammo.dataset import DataSet
from mammo.facts import Marker, Notes
from mammo.views import (
    LATERALITY_CODES,
    MODIFIER_CODES,
    PHANTOM_CODES,
    SPECIMEN,
    VIEW_CODES,
    Modifier,
    Projection,
    TextView,
    agreed,
    concept,
    from_position,
    from_sentence,
)

SIDE = {"L": "L", "R": "R", "B": "B", "LEFT": "L", "RIGHT": "R", "BOTH": "B"}
GE_CREATOR = "GEMS_SENO_02"


class View(NamedTuple):
    """What all sources together say of the view."""

    projection: Projection | None
    conflict: bool  # CC against MLO
    modifiers: frozenset[Modifier]
    laterality: str | None  # L, R or B
    laterality_conflict: bool


def read(header: DataSet, notes: Notes) -> View:
    """The view by its sources in order: code, View Position, GE's private one, free text."""
    items = header.items(tags.VIEW_CODE_SEQUENCE, limit=1)
    code = _concept(items[0]) if items else None
    known = VIEW_CODES.get(code) if code else None
    if known == SPECIMEN:
        notes.markers.add(Marker.SPECIMEN)
    coded = known if isinstance(known, Projection) else None
    position = from_position(header.text(tags.VIEW_POSITION))
    private = from_position(_ge_clinical_view(header))
    misplaced = from_position(" ".join(header.codes(tags.PATIENT_ORIENTATION)))  # CBIS-DDSM: "CC"
    sentences = _sentences(header)
    attributes = [one.projection for one in (position, private, misplaced) if one.projection]
    said = [*attributes, *([sentences.projection] if sentences.projection else [])]
    projection = coded or next(iter(attributes), None)
    if projection is None and sentences.projection:
        projection = sentences.projection
        notes.flags.add(Flag.W_VIEW_FROM_TEXT)
    if projection is not None and any(other != projection for other in said):
        notes.flags.add(Flag.W_VIEW_CONFLICT)
    modifiers = position.modifiers | private.modifiers | _modifiers(header, items, notes)
    if Flag.W_VIEW_FROM_TEXT in notes.flags:
        modifiers |= sentences.modifiers
    side, agrees = agreed([*_sides(header, notes), private.laterality, position.laterality])
    return View(
        projection=projection,
        conflict={Projection.CC, Projection.MLO} <= {projection, *said},
        modifiers=modifiers,
        laterality=side or sentences.laterality,
        laterality_conflict=not agrees,
    )


def _sentences(header: DataSet) -> TextView:
    """What Protocol Name says, else Series Description."""
    protocol = from_sentence(header.text(tags.PROTOCOL_NAME))
    series = from_sentence(header.text(tags.SERIES_DESCRIPTION))
    return TextView(
        projection=protocol.projection or series.projection,
        laterality=protocol.laterality or series.laterality,
        modifiers=protocol.modifiers | series.modifiers,
    )


def _modifiers(header: DataSet, views: Sequence[DataSet], notes: Notes) -> frozenset[Modifier]:
    """Modifiers inside the view item, or misplaced at the top level."""
    found: set[Modifier] = set()
    for item in [
        *(views[0].items(tags.VIEW_MODIFIER_SEQUENCE) if views else []),
        *header.items(tags.VIEW_MODIFIER_SEQUENCE),
    ]:
        code = _concept(item)
        if code is None:
            continue
        modifier = MODIFIER_CODES.get(code)
        if modifier is None:
            notes.flags.add(Flag.W_UNKNOWN_MODIFIER)
        else:
            found.add(modifier)
        meaning = item.text(tags.CODE_MEANING)
        if texts.synthetic(meaning):
            notes.markers.add(Marker.SYNTHETIC)
    return frozenset(found)


def _sides(header: DataSet, notes: Notes) -> list[str | None]:
    """Laterality by attribute, in the order of trust (PS3.3 C.8.11.7, C.7.3.1, C.7.6.16.2.8)."""
    shared = header.items(tags.SHARED_FUNCTIONAL_GROUPS, limit=1)
    anatomy = shared[0].items(tags.FRAME_ANATOMY, limit=1) if shared else []
    attributes = [
        SIDE.get(header.code(tags.IMAGE_LATERALITY)),
        SIDE.get(header.code(tags.LATERALITY)),
        SIDE.get(anatomy[0].code(tags.FRAME_LATERALITY)) if anatomy else None,
    ]
    for region in header.items(tags.ANATOMIC_REGION, limit=1):
        code = _concept(region)
        if code in PHANTOM_CODES:
            notes.markers.add(Marker.QUALITY_CONTROL)
        attributes.append(LATERALITY_CODES.get(code) if code else None)
        for modifier in region.items(tags.ANATOMIC_REGION_MODIFIER):
            code = _concept(modifier)
            attributes.append(LATERALITY_CODES.get(code) if code else None)
    return attributes


def _ge_clinical_view(header: DataSet) -> str:
    """GE's Clinical View (0045,xx1B), in whichever block GEMS_SENO_02 reserved (PS3.5 7.8.1)."""
    for block in range(0x10, 0x20):
        tag = 0x00450000 | block << 8 | 0x1B
        if tag in header and header.text(0x00450000 | block) == GE_CREATOR:
            return header.text(tag)
    return ""


def _concept(item: DataSet) -> tuple[str, str] | None:
    value = item.text(tags.CODE_VALUE)
    return concept(value.upper(), item.code(tags.CODING_SCHEME)) if value else None
