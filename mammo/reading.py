"""From a walked data set to Facts and Identity."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mammo import texts
from mammo.codes import Flag, SourceKind
from mammo.dataset import DataSet
from mammo.facts import Facts, Identity, Marker, Notes
from mammo.sop_classes import FOR_PROCESSING, JPEG_LOSSY, MAMMOGRAPHY, SECONDARY_CAPTURE
from mammo.views import (
    LATERALITY_CODES,
    MODIFIER_CODES,
    PHANTOM_CODES,
    SPECIMEN,
    VIEW_CODES,
    Laterality,
    Modifier,
    Projection,
    TextView,
    agreed,
    concept,
    from_position,
    from_sentence,
)

SPACING = (0.03, 0.2)  # mm: what detectors and film digitisers have
GENERATED = "GENERATED_2D"
SIDE = {"L": "L", "R": "R", "B": "B", "LEFT": "L", "RIGHT": "R", "BOTH": "B"}
ORIENTATION = re.compile(r"[APRLHF]{1,3}")
GE_CREATOR = "GEMS_SENO_02"

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
IMAGE_TYPE, MODALITY, INTENT = 0x00080008, 0x00080060, 0x00080068
MANUFACTURER, SOFTWARE = 0x00080070, 0x00181020
ROWS, COLUMNS, FRAMES, SAMPLES, PHOTOMETRIC = (
    0x00280010,
    0x00280011,
    0x00280008,
    0x00280002,
    0x00280004,
)
ALLOCATED, STORED, HIGH_BIT, REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
LUT_SHAPE, LUT_SEQUENCE, WINDOW_CENTER = 0x20500020, 0x00283010, 0x00281050
IMAGER_SPACING, PIXEL_SPACING, ELEMENT_SPACING = 0x00181164, 0x00280030, 0x00187022
MAGNIFICATION, FIELD_OF_VIEW, KVP, DETECTOR_TYPE = 0x00181114, 0x00181149, 0x00180060, 0x00187004
LOSSY, BURNED_IN = 0x00282110, 0x00280301
IMAGE_LATERALITY, LATERALITY, ORIENTATION_TAG = 0x00200062, 0x00200060, 0x00200020
SHARED, FRAME_ANATOMY, FRAME_LATERALITY = 0x52009229, 0x00209071, 0x00209072
ANATOMIC_REGION, REGION_MODIFIER = 0x00082218, 0x00082220
VIEW_CODE, VIEW_MODIFIER = 0x00540220, 0x00540222
CODE_VALUE, CODING_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
PARTIAL_VIEW, IMPLANT = 0x00281350, 0x00281300
QUALITY_CONTROL, CALIBRATION, SPECIMEN_SEQUENCE = 0x00280300, 0x00500004, 0x00400560
STUDY_DATE, ACQUISITION_DATE, ACQUISITION_TIME, CONTENT_TIME = (
    0x00080020,
    0x00080022,
    0x00080032,
    0x00080033,
)
ACQUISITION_DATETIME, IRRADIATION_EVENT = 0x0008002A, 0x00083010
SOURCE_IMAGES, REFERENCED_INSTANCE = 0x00082112, 0x00081155
PATIENT_NAME, PATIENT_ID, ISSUER, BIRTH_DATE, SEX = (
    0x00100010,
    0x00100020,
    0x00100021,
    0x00100030,
    0x00100040,
)


class View(NamedTuple):
    """What all sources together say of the view."""

    projection: Projection | None
    conflict: bool  # CC against MLO
    modifiers: frozenset[Modifier]
    laterality: str | None  # L, R or B
    laterality_conflict: bool


def identity(header: DataSet) -> Identity:
    """Whose image it is."""
    if header.text(BIRTH_DATE):
        header.date(BIRTH_DATE)  # notes an invalid one
    return Identity(
        patient_id=header.text(PATIENT_ID),
        issuer=header.text(ISSUER),
        name=header.text(PATIENT_NAME),
        birth_date=header.text(BIRTH_DATE),
        sex=header.text(SEX),
    )


def facts(
    header: DataSet, sop_instance_uid: str, sop_class: str | None, syntax: str | None
) -> Facts:
    """What the rules need of a header. `has_pixel_data` and the faults are the caller's."""
    notes = Notes(markers=texts.markers(header))
    image_type = tuple(_term(part) for part in header.codes(IMAGE_TYPE)[:16])
    if any(GENERATED in term for term in image_type):
        notes.markers.add(Marker.SYNTHETIC)
    _kind_markers(header, notes)
    view = read_view(header, notes)
    magnification = header.number(MAGNIFICATION)
    photometric, shape = _cs(header, PHOTOMETRIC), _cs(header, LUT_SHAPE)
    implant, partial = _yes(header, IMPLANT), _yes(header, PARTIAL_VIEW)
    orientation = _orientation(header)
    intent = _cs(header, INTENT)
    spacing = _spacing(header, magnification)
    lossy = header.code(LOSSY) == "01" or syntax in JPEG_LOSSY
    stored = header.unsigned(STORED)
    conditions = {
        Flag.W_SPACING_INVALID: spacing is None and ROWS in header,
        Flag.W_IMPLANT: bool(implant),
        Flag.W_IMPLANT_DISPLACED: Modifier.IMPLANT_DISPLACED in view.modifiers,
        Flag.W_PARTIAL_VIEW: bool(partial),
        Flag.W_TURNED: orientation is not None and orientation[1][0] in "AP",
        Flag.W_LOSSY: lossy,
        Flag.W_8BIT: stored == 8,
        Flag.W_BURNED_IN: header.code(BURNED_IN) == "YES",
        Flag.W_POLARITY_CONFLICT: (photometric, shape)
        in {("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")},
        Flag.W_INTENT_CONFLICT: sop_class in MAMMOGRAPHY
        and intent is not None
        and (intent == "FOR PROCESSING") != (sop_class == FOR_PROCESSING),
    }
    notes.flags |= {flag for flag, holds in conditions.items() if holds}
    sources = [item.uid(REFERENCED_INSTANCE) for item in header.items(SOURCE_IMAGES)]
    found = Facts(
        sop_instance_uid=sop_instance_uid,
        study_instance_uid=header.uid(STUDY),
        series_instance_uid=header.uid(SERIES),
        sop_class=sop_class,
        transfer_syntax=syntax,
        modality=_cs(header, MODALITY),
        manufacturer=_short(header, MANUFACTURER),
        model=_short(header, texts.MODEL),
        software=_short(header, SOFTWARE),
        presentation_intent=intent,
        image_type=image_type,
        rows=header.unsigned(ROWS),
        columns=header.unsigned(COLUMNS),
        frames=header.integer(FRAMES) if header.text(FRAMES) else 1,
        bits_allocated=header.unsigned(ALLOCATED),
        bits_stored=stored,
        high_bit=header.unsigned(HIGH_BIT),
        pixel_representation=header.unsigned(REPRESENTATION),
        samples_per_pixel=header.unsigned(SAMPLES),
        photometric=photometric,
        presentation_lut_shape=shape,
        voi=tuple(
            name
            for name, tag in (("lut", LUT_SEQUENCE), ("window", WINDOW_CENTER))
            if header.raw(tag)
        ),
        spacing=spacing,
        magnification=magnification,
        field_of_view=header.numbers(FIELD_OF_VIEW)[:2],
        kvp=header.number(KVP),
        lossy=lossy,
        burned_in=_cs(header, BURNED_IN),
        laterality=Laterality(view.laterality) if view.laterality in ("L", "R") else None,
        both_breasts=view.laterality == "B",
        laterality_conflict=view.laterality_conflict,
        view=view.projection,
        view_conflict=view.conflict,
        modifiers=tuple(sorted(view.modifiers)),
        patient_orientation=orientation,
        partial_view=partial,
        implant=implant,
        study_date=header.date(STUDY_DATE),
        acquisition_date=header.date(ACQUISITION_DATE),
        acquisition_time=header.time(ACQUISITION_TIME),
        content_time=header.time(CONTENT_TIME),
        irradiation_event_uid=header.uid(IRRADIATION_EVENT),
        source_images=tuple(uid for uid in sources if uid),
        source_kind=_source_kind(header, sop_class, notes),
        markers=tuple(sorted(notes.markers)),
    )
    if header.invalid:  # by now every value has been read
        notes.flags.add(Flag.W_VR_INVALID)
    return replace(found, flags=tuple(sorted(notes.flags)))


def read_view(header: DataSet, notes: Notes) -> View:
    """The view by its sources in order: code, View Position, GE's private one, free text."""
    items = header.items(VIEW_CODE, limit=1)
    code = _concept(items[0]) if items else None
    known = VIEW_CODES.get(code) if code else None
    if known == SPECIMEN:
        notes.markers.add(Marker.SPECIMEN)
    coded = known if isinstance(known, Projection) else None
    position = from_position(header.text(texts.VIEW_POSITION))
    private = from_position(_ge_clinical_view(header))
    misplaced = from_position(" ".join(header.codes(ORIENTATION_TAG)))  # CBIS-DDSM: "CC"
    said = [one.projection for one in (position, private, misplaced) if one.projection is not None]
    sentences = _sentences(header)
    projection = coded or next(iter(said), None)
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
    protocol = from_sentence(header.text(texts.PROTOCOL))
    series = from_sentence(header.text(texts.SERIES_DESCRIPTION))
    return TextView(
        projection=protocol.projection or series.projection,
        laterality=protocol.laterality or series.laterality,
        modifiers=protocol.modifiers | series.modifiers,
    )


def _modifiers(header: DataSet, views: Sequence[DataSet], notes: Notes) -> frozenset[Modifier]:
    """Modifiers inside the view item, or misplaced at the top level."""
    found: set[Modifier] = set()
    for item in [*(views[0].items(VIEW_MODIFIER) if views else []), *header.items(VIEW_MODIFIER)]:
        code = _concept(item)
        if code is None:
            continue
        modifier = MODIFIER_CODES.get(code)
        if modifier is None:
            notes.flags.add(Flag.W_UNKNOWN_MODIFIER)
        else:
            found.add(modifier)
        meaning = item.text(CODE_MEANING)
        if texts.synthetic(meaning):
            notes.markers.add(Marker.SYNTHETIC)
    return frozenset(found)


def _sides(header: DataSet, notes: Notes) -> list[str | None]:
    """Laterality by attribute, in the order of trust (PS3.3 C.8.11.7, C.7.3.1, C.7.6.16.2.8)."""
    shared = header.items(SHARED, limit=1)
    anatomy = shared[0].items(FRAME_ANATOMY, limit=1) if shared else []
    attributes = [
        SIDE.get(header.code(IMAGE_LATERALITY)),
        SIDE.get(header.code(LATERALITY)),
        SIDE.get(anatomy[0].code(FRAME_LATERALITY)) if anatomy else None,
    ]
    for region in header.items(ANATOMIC_REGION, limit=1):
        code = _concept(region)
        if code in PHANTOM_CODES:
            notes.markers.add(Marker.QUALITY_CONTROL)
        attributes.append(LATERALITY_CODES.get(code) if code else None)
        for modifier in region.items(REGION_MODIFIER):
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


def _kind_markers(header: DataSet, notes: Notes) -> None:
    if "YES" in (header.code(QUALITY_CONTROL), header.code(CALIBRATION)):
        notes.markers.add(Marker.QUALITY_CONTROL)
    if header.items(SPECIMEN_SEQUENCE, limit=1):
        notes.markers.add(Marker.SPECIMEN)


def _source_kind(header: DataSet, sop_class: str | None, notes: Notes) -> SourceKind:
    detector = header.code(DETECTOR_TYPE)
    if Marker.SYNTHETIC in notes.markers:
        return SourceKind.SYNTHETIC_2D
    if detector == "FILM":
        return SourceKind.FILM
    if sop_class in SECONDARY_CAPTURE and header.code(MODALITY) in ("MG", "RG") and not detector:
        return SourceKind.FILM
    if sop_class in MAMMOGRAPHY and detector in ("DIRECT", "SCINTILLATOR"):
        return SourceKind.FFDM
    if sop_class in MAMMOGRAPHY and not detector and header.text(MANUFACTURER):
        return SourceKind.FFDM
    return SourceKind.UNKNOWN


def _spacing(header: DataSet, magnification: float | None) -> tuple[float, float] | None:
    """Millimetres in the breast's plane; None if missing or no mammogram has it (PS3.3 10.7.1.3)."""
    imager = header.numbers(IMAGER_SPACING)
    factor = magnification if magnification and imager else 1.0
    pair = imager or header.numbers(PIXEL_SPACING) or header.numbers(ELEMENT_SPACING)
    if len(pair) < 2:
        return None
    row, column = pair[0] / factor, pair[1] / factor
    low, high = SPACING
    return (row, column) if low <= row <= high and low <= column <= high else None


def _orientation(header: DataSet) -> tuple[str, str] | None:
    values = header.codes(ORIENTATION_TAG)
    if len(values) != 2 or not all(ORIENTATION.fullmatch(value) for value in values):
        return None
    return values[0], values[1]


def _concept(item: DataSet) -> tuple[str, str] | None:
    value = item.text(CODE_VALUE)
    return concept(value.upper(), item.code(CODING_SCHEME)) if value else None


def _yes(header: DataSet, tag: int) -> bool | None:
    return {"YES": True, "NO": False}.get(header.code(tag))


def _cs(header: DataSet, tag: int) -> str | None:
    return _term(header.code(tag)) or None


def _term(text: str) -> str:
    """A coded string as PS3.5 6.2 allows it; anything else could be a text, which is not kept."""
    return text if re.fullmatch(r"[A-Z0-9 _]{0,32}", text) else "?"


def _short(header: DataSet, tag: int) -> str | None:
    return header.text(tag)[:64] or None
