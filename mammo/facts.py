"""What a header says of an image, without anything that says whose it is.

Facts are stored with the instance, so that a changed rule or policy is judged again without
reading the object. Free text never gets in: what the rules need of it is a `Marker`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from mammo.codes import Flag, Reason, SourceKind
from mammo.views import Laterality, Modifier, Projection


class Marker(StrEnum):
    """Something that a free text or an odd attribute gives away about the kind of image."""

    BIOPSY = "biopsy"
    SPECIMEN = "specimen"
    SYNTHETIC = "synthetic"
    CONTRAST = "contrast"
    RECOMBINED = "recombined"
    SPOT = "spot"
    MAGNIFICATION = "magnification"
    QUALITY_CONTROL = "quality_control"
    BREAST = "breast"  # the body part is the breast
    FILM_PART = "film_part"  # a crop or a mask made from a digitised film


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose image it is: PHI, cleaned of control characters, otherwise as in the header."""

    patient_id: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)  # of the study, by the hospital's orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One instance's header. None: absent or not readable."""

    sop_instance_uid: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_class: str | None = None
    transfer_syntax: str | None = None
    modality: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    software: str | None = None
    presentation_intent: str | None = None  # as stated; the SOP class wins
    image_type: tuple[str, ...] = ()

    rows: int | None = None
    columns: int | None = None
    frames: int | None = 1  # None: stated, but not a number
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    samples_per_pixel: int | None = None
    photometric: str | None = None
    presentation_lut_shape: str | None = None
    voi: tuple[str, ...] = ()  # "lut", "window": what there is to choose from
    spacing: tuple[float, float] | None = None  # mm in the breast's plane: row, column
    magnification: float | None = None
    field_of_view: tuple[float, ...] = ()  # mm
    lossy: bool = False
    burned_in: str | None = None

    laterality: Laterality | None = None
    both_breasts: bool = False  # Image Laterality B
    laterality_conflict: bool = False
    view: Projection | None = None
    view_conflict: bool = False  # CC against MLO
    modifiers: tuple[Modifier, ...] = ()
    patient_orientation: tuple[str, str] | None = None  # along a row, along a column
    partial_view: bool | None = None
    implant: bool | None = None

    study_date: str | None = None  # YYYYMMDD
    acquisition_date: str | None = None
    acquisition_time: str | None = None  # HHMMSS.FFFFFF
    content_time: str | None = None
    irradiation_event_uid: str | None = None
    source_images: tuple[str, ...] = ()  # SOP Instance UIDs that this one was made from

    source_kind: SourceKind = SourceKind.UNKNOWN
    markers: tuple[Marker, ...] = ()
    flags: tuple[Flag, ...] = ()
    has_pixel_data: bool = False
    fault: Reason | None = None  # what the file itself contradicts: quarantined whatever it is
    fault_detail: str = ""
    meta_conflict: bool = False  # file meta and data set name different objects

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what has its default is left out."""
        default = asdict(Facts(sop_instance_uid=""))
        stated = {name: value for name, value in asdict(self).items() if value != default[name]}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in stated.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Facts":
        """Undoes `as_dict`, JSON in between."""
        values: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()
        }
        for name, convert in _ENUMS.items():
            if name in values:
                values[name] = convert(values[name])
        for name, convert in _ENUM_LISTS.items():
            if name in values:
                values[name] = tuple(convert(value) for value in values[name])
        return cls(**values)


_ENUMS: dict[str, type[StrEnum]] = {
    "laterality": Laterality,
    "view": Projection,
    "source_kind": SourceKind,
    "fault": Reason,
}
_ENUM_LISTS: dict[str, type[StrEnum]] = {
    "modifiers": Modifier,
    "markers": Marker,
    "flags": Flag,
}


@dataclass(slots=True)
class Notes:
    """Flags and markers, gathered while a header is read."""

    flags: set[Flag] = field(default_factory=set)
    markers: set[Marker] = field(default_factory=set)
