"""What data sets hold that a careful reader has to repair, to leave out or to know.

Nothing is repaired in silence: each repair leaves its code at the record, and each entry that
could not be read is a `Problem`. `nightread data check` counts both.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Oddity(StrEnum):
    """Codes that are shown and counted: add, never rename."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # Files and rows
    FILE_MISSING = "FILE_MISSING", "the tables name an image whose file is not there"
    FILE_UNLISTED = "FILE_UNLISTED", "an image file that no table names"
    FILE_UNREADABLE = "FILE_UNREADABLE", "a file that cannot be read as what its name says"
    FILE_NOT_DECODED = "FILE_NOT_DECODED", "compressed by a codec that is not installed"
    ROW_BROKEN = "ROW_BROKEN", "an entry that cannot be read: it was left out"
    ROW_REPEATED = "ROW_REPEATED", "an entry that stands twice"
    ENTRY_MISSING = "ENTRY_MISSING", "an image without the row that should describe it"
    FOOTNOTE_ROW = "FOOTNOTE_ROW", "a row of the table that is text, not an image"
    NAME_TRIMMED = "NAME_TRIMMED", "blanks around a name or value were cut off"
    LINE_BREAK_IN_FIELD = "LINE_BREAK_IN_FIELD", "a line break inside a field was cut off"
    SIZE_DIFFERS = "SIZE_DIFFERS", "the file has another size than is written"
    SIZE_SWAPPED = "SIZE_SWAPPED", "rows and columns stand in each other's place in the file"
    PIXELS_REPEATED = "PIXELS_REPEATED", "the same pixels under another name"
    NEARLY_REPEATED = "NEARLY_REPEATED", "nearly the pixels of another: reduced, mirrored or so"
    REPEATED_VIEW = "REPEATED_VIEW", "a view that was taken twice"
    # What is known of an image
    ASPECT_LOST = "ASPECT_LOST", "squeezed to a square: shapes and millimetres mean nothing"
    SCALE_UNKNOWN = "SCALE_UNKNOWN", "reduced by a factor that nobody wrote down"
    CHEST_WALL_OTHER_SIDE = "CHEST_WALL_OTHER_SIDE", "hung the other way than its side lets expect"
    DEVICE_UNKNOWN = "DEVICE_UNKNOWN", "a digitiser for which no optical density is known"
    BITS_UNEXPECTED = "BITS_UNEXPECTED", "other bits a pixel than this digitiser writes"
    VIEW_FOLDED = "VIEW_FOLDED", "a view under another name: O or ML for MLO"
    VIEW_CODE_DIFFERS = "VIEW_CODE_DIFFERS", "the table's view is not the file name's, which counts"
    DENSITY_MISSING = "DENSITY_MISSING", "no density"
    AGE_MISSING = "AGE_MISSING", "no age"
    BIRADS_MISSING = "BIRADS_MISSING", "no assessment"
    BIRADS_ZERO = "BIRADS_ZERO", "BI-RADS 0 needs more imaging; it is not benign"
    BIRADS_COMPOUND = "BIRADS_COMPOUND", "several assessments in one field: the highest counts"
    DESCRIPTOR_MISSING = "DESCRIPTOR_MISSING", "a lesion without one of its descriptors"
    VALUE_OUT_OF_SCALE = "VALUE_OUT_OF_SCALE", "a value outside its scale was left out"
    # Labels
    UNPROVEN = "UNPROVEN", "neither benign nor malignant by pathology"
    PATHOLOGY_MISSING = "PATHOLOGY_MISSING", "a lesion whose pathology is not known"
    CLASS_DIFFERS = "CLASS_DIFFERS", "the folder's class is not the worst pathology of its films"
    PATHOLOGY_MIXED = "PATHOLOGY_MIXED", "benign and malignant lesions on one image"
    LABEL_BY_OTHERS = "LABEL_BY_OTHERS", "malignant by lesions that are not marked here"
    LABEL_PAIR_DIFFERS = "LABEL_PAIR_DIFFERS", "the pair's two images have two labels"
    MARKED_BUT_NORMAL = "MARKED_BUT_NORMAL", "labelled normal, yet something is drawn on it"
    UNMARKED_LESION = "UNMARKED_LESION", "abnormal by its label, yet nothing is drawn on it"
    KIND_UNMARKED = "KIND_UNMARKED", "holds calcifications that are not marked here"
    # Outlines
    PLACE_UNKNOWN = "PLACE_UNKNOWN", "a lesion without coordinates: not for localisation"
    OUTLINE_CLIPPED = "OUTLINE_CLIPPED", "an outline that leaves the image was cut at its edge"
    OUTLINE_BROKEN = "OUTLINE_BROKEN", "an outline that cannot be read: the lesion has no place"
    OUTLINES_SEVERAL = (
        "OUTLINES_SEVERAL",
        "inner outlines (cores) beside the outer one, which counts",
    )
    POINT_AS_DISC = "POINT_AS_DISC", "one or two points: made a small disc"
    POLYLINE_CLOSED = "POLYLINE_CLOSED", "an open line was closed"
    SHAPE_AS_POLYGON = "SHAPE_AS_POLYGON", "an ellipse, kept as a polygon"
    OUTLINE_TRACED = "OUTLINE_TRACED", "traced from a reduced mask, not the reader's own outline"
    POINTS_DIFFER = "POINTS_DIFFER", "another number of points than is written"
    KIND_UNKNOWN = "KIND_UNKNOWN", "a kind of lesion that no table knows"
    KINDS_SEVERAL = "KINDS_SEVERAL", "one lesion of several kinds: the first counts"
    SPICULES_OF_MASS = "SPICULES_OF_MASS", "a spiculated region around a mass: not counted twice"
    OFF_TISSUE = "OFF_TISSUE", "lies mostly on the dark background"
    ORDER_UNKNOWN = "ORDER_UNKNOWN", "which box belongs to which row is not known"
    # Overlays and masks
    OVERLAY_MISSING = "OVERLAY_MISSING", "announced, but not there"
    OVERLAY_UNANNOUNCED = "OVERLAY_UNANNOUNCED", "there, but not announced"
    COUNT_DIFFERS = "COUNT_DIFFERS", "another number of entries than the file announces"
    MASK_MISSING = "MASK_MISSING", "a lesion whose mask is not there"
    MASK_SWAPPED = "MASK_SWAPPED", "mask and crop stand under each other's column"
    MASK_APART = "MASK_APART", "mask and crop of one lesion in two series"
    MASK_RESIZED = "MASK_RESIZED", "the mask has another size than its film, of the same shape"
    MASK_BROKEN = "MASK_BROKEN", "no file that can be this film's mask"
    # Patients and splits
    FILM_TWICE = "FILM_TWICE", "one film in two folders, once for each kind of lesion"
    SPLIT_LEAK = "SPLIT_LEAK", "the patient is in training and in test once collections are merged"
    VIEW_IN_BOTH_SPLITS = "VIEW_IN_BOTH_SPLITS", "the same film is in training and in test"
    STUDIES_SEVERAL = "STUDIES_SEVERAL", "a patient with several studies: split by patient"


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that is missing or broken, and so is no record."""

    code: Oddity
    where: str  # a file, a row, an image's name
    detail: str = ""  # one clause
