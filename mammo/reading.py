"""From a walked data set to Facts and Identity."""

import re
from dataclasses import replace

from mammo import tags, texts, view_reading
from mammo.codes import Flag, SourceKind
from mammo.dataset import DataSet
from mammo.facts import Facts, Identity, Marker, Notes
from mammo.sop_classes import FOR_PROCESSING, JPEG_LOSSY, MAMMOGRAPHY, SECONDARY_CAPTURE
from mammo.views import Laterality, Modifier

SPACING = (0.03, 0.2)  # mm: what detectors and film digitisers have
GENERATED = "GENERATED_2D"
ORIENTATION = re.compile(r"[APRLHF]{1,3}")


def identity(header: DataSet) -> Identity:
    """Whose image it is."""
    if header.text(tags.BIRTH_DATE):
        header.date(tags.BIRTH_DATE)  # notes an invalid one
    return Identity(
        patient_id=header.text(tags.PATIENT_ID),
        issuer=header.text(tags.ISSUER_OF_PATIENT_ID),
        name=header.text(tags.PATIENT_NAME),
        birth_date=header.text(tags.BIRTH_DATE),
        sex=header.text(tags.PATIENT_SEX),
        accession_number=header.text(tags.ACCESSION_NUMBER),
    )


def facts(
    header: DataSet, sop_instance_uid: str, sop_class: str | None, syntax: str | None
) -> Facts:
    """What the rules need of a header. `has_pixel_data` and the faults are the caller's."""
    notes = Notes(markers=texts.markers(header))
    image_type = tuple(_term(part) for part in header.codes(tags.IMAGE_TYPE)[:16])
    if any(GENERATED in term.replace(" ", "_") for term in image_type[2:]):
        notes.markers.add(Marker.SYNTHETIC)
    _kind_markers(header, notes)
    view = view_reading.read(header, notes)
    magnification = header.number(tags.MAGNIFICATION)
    photometric, shape = (
        _cs(header, tags.PHOTOMETRIC_INTERPRETATION),
        _cs(header, tags.PRESENTATION_LUT_SHAPE),
    )
    implant, partial = _yes(header, tags.IMPLANT), _yes(header, tags.PARTIAL_VIEW)
    orientation = _orientation(header)
    intent = _cs(header, tags.PRESENTATION_INTENT)
    spacing = _spacing(header, magnification)
    lossy = header.code(tags.LOSSY_COMPRESSION) == "01" or syntax in JPEG_LOSSY
    stored = header.unsigned(tags.BITS_STORED)
    source = _source_kind(header, sop_class, notes)
    conditions = {
        Flag.W_SPACING_INVALID: spacing is None and tags.ROWS in header,
        Flag.W_IMPLANT: bool(implant),
        Flag.W_IMPLANT_DISPLACED: Modifier.IMPLANT_DISPLACED in view.modifiers,
        Flag.W_PARTIAL_VIEW: bool(partial),
        Flag.W_TURNED: orientation is not None and orientation[1][0] in "AP",
        Flag.W_LOSSY: lossy,
        Flag.W_FILM: source is SourceKind.FILM,
        Flag.W_8BIT: stored == 8,
        Flag.W_BURNED_IN: header.code(tags.BURNED_IN) == "YES",
        Flag.W_POLARITY_CONFLICT: (photometric, shape)
        in {("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")},
        Flag.W_INTENT_CONFLICT: sop_class in MAMMOGRAPHY
        and intent is not None
        and (intent == "FOR PROCESSING") != (sop_class == FOR_PROCESSING),
    }
    notes.flags |= {flag for flag, holds in conditions.items() if holds}
    sources = [
        item.uid(tags.REFERENCED_INSTANCE) for item in header.items(tags.SOURCE_IMAGE_SEQUENCE)
    ]
    acquired = header.date_time(tags.ACQUISITION_DATETIME)
    found = Facts(
        sop_instance_uid=sop_instance_uid,
        study_instance_uid=header.uid(tags.STUDY_INSTANCE),
        series_instance_uid=header.uid(tags.SERIES_INSTANCE),
        sop_class=sop_class,
        transfer_syntax=syntax,
        modality=_cs(header, tags.MODALITY),
        manufacturer=_short(header, tags.MANUFACTURER),
        model=_short(header, tags.MODEL_NAME),
        software=_short(header, tags.SOFTWARE_VERSIONS),
        presentation_intent=intent,
        image_type=image_type,
        rows=header.unsigned(tags.ROWS),
        columns=header.unsigned(tags.COLUMNS),
        frames=header.integer(tags.NUMBER_OF_FRAMES) if header.text(tags.NUMBER_OF_FRAMES) else 1,
        bits_allocated=header.unsigned(tags.BITS_ALLOCATED),
        bits_stored=stored,
        high_bit=header.unsigned(tags.HIGH_BIT),
        pixel_representation=header.unsigned(tags.PIXEL_REPRESENTATION),
        samples_per_pixel=header.unsigned(tags.SAMPLES_PER_PIXEL),
        photometric=photometric,
        presentation_lut_shape=shape,
        voi=tuple(
            name
            for name, tag in (("lut", tags.VOI_LUT_SEQUENCE), ("window", tags.WINDOW_CENTER))
            if header.raw(tag)
        ),
        spacing=spacing,
        magnification=magnification,
        field_of_view=header.numbers(tags.FIELD_OF_VIEW)[:2],
        lossy=lossy,
        burned_in=_cs(header, tags.BURNED_IN),
        laterality=Laterality(view.laterality) if view.laterality in ("L", "R") else None,
        both_breasts=view.laterality == "B",
        laterality_conflict=view.laterality_conflict,
        view=view.projection,
        view_conflict=view.conflict,
        modifiers=tuple(sorted(view.modifiers)),
        patient_orientation=orientation,
        partial_view=partial,
        implant=implant,
        study_date=header.date(tags.STUDY_DATE),
        acquisition_date=header.date(tags.ACQUISITION_DATE) or acquired[0],
        acquisition_time=header.time(tags.ACQUISITION_TIME) or acquired[1],
        content_time=header.time(tags.CONTENT_TIME),
        irradiation_event_uid=header.uid(tags.IRRADIATION_EVENT),
        source_images=tuple(uid for uid in sources if uid),
        source_kind=source,
        markers=tuple(sorted(notes.markers)),
    )
    if header.invalid:  # by now every value has been read
        notes.flags.add(Flag.W_VR_INVALID)
    return replace(found, flags=tuple(sorted(notes.flags)))


def _kind_markers(header: DataSet, notes: Notes) -> None:
    if "YES" in (header.code(tags.QUALITY_CONTROL), header.code(tags.CALIBRATION)):
        notes.markers.add(Marker.QUALITY_CONTROL)
    if header.items(tags.SPECIMEN_SEQUENCE, limit=1):
        notes.markers.add(Marker.SPECIMEN)


def _source_kind(header: DataSet, sop_class: str | None, notes: Notes) -> SourceKind:
    detector = header.code(tags.DETECTOR_TYPE)
    if Marker.SYNTHETIC in notes.markers:
        return SourceKind.SYNTHETIC_2D
    if detector == "FILM":
        return SourceKind.FILM
    if (
        sop_class in SECONDARY_CAPTURE
        and header.code(tags.MODALITY) in ("MG", "RG")
        and not detector
    ):
        return SourceKind.FILM
    if sop_class in MAMMOGRAPHY and detector in ("DIRECT", "SCINTILLATOR"):
        return SourceKind.FFDM
    if sop_class in MAMMOGRAPHY and not detector and header.text(tags.MANUFACTURER):
        return SourceKind.FFDM
    return SourceKind.UNKNOWN


def _spacing(header: DataSet, magnification: float | None) -> tuple[float, float] | None:
    """Millimetres in the breast's plane; None if missing or no mammogram has it (PS3.3 10.7.1.3)."""
    imager = header.numbers(tags.IMAGER_PIXEL_SPACING)
    factor = magnification if magnification and imager else 1.0
    pair = (
        imager
        or header.numbers(tags.PIXEL_SPACING)
        or header.numbers(tags.DETECTOR_ELEMENT_SPACING)
    )
    if len(pair) < 2:
        return None
    row, column = pair[0] / factor, pair[1] / factor
    low, high = SPACING
    return (row, column) if low <= row <= high and low <= column <= high else None


def _orientation(header: DataSet) -> tuple[str, str] | None:
    values = header.codes(tags.PATIENT_ORIENTATION)
    if len(values) != 2 or not all(ORIENTATION.fullmatch(value) for value in values):
        return None
    return values[0], values[1]


def _yes(header: DataSet, tag: int) -> bool | None:
    return {"YES": True, "NO": False}.get(header.code(tag))


def _cs(header: DataSet, tag: int) -> str | None:
    return _term(header.code(tag)) or None


def _term(text: str) -> str:
    """A coded string as PS3.5 6.2 allows it; anything else could be a text, which is not kept."""
    return text if re.fullmatch(r"[A-Z0-9 _]{0,32}", text) else "?"


def _short(header: DataSet, tag: int) -> str | None:
    return header.text(tag)[:64] or None
