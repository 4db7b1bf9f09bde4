"""The words that say what becomes of an object, an image and a study.

Stored in Postgres, shown to people and written to files of others: add, never rename.
Sources: DICOM PS3.3 and PS3.16 as summarised in docs/verdicts.md.
"""

from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    """What becomes of an instance."""

    ACCEPTED = "accepted"
    EXCLUDED = "excluded"  # readable, but not ours to screen
    QUARANTINED = "quarantined"  # not readable, or not to be trusted


class Reason(StrEnum):
    """Why an instance, or an object without one, got its verdict.

    Each member carries its `verdict` and its `line`, one sentence without PHI.
    """

    verdict: Verdict
    line: str

    def __new__(cls, code: str, verdict: Verdict, line: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.verdict = verdict
        member.line = line
        return member

    OK = "OK", Verdict.ACCEPTED, "for-presentation 2D screening view"
    OK_FOR_PROCESSING = "OK_FOR_PROCESSING", Verdict.ACCEPTED, "raw image admitted by policy"
    OK_FILM_SC = (
        "OK_FILM_SC",
        Verdict.ACCEPTED,
        "digitised film in Secondary Capture admitted by policy",
    )
    OK_SYNTHETIC_2D = "OK_SYNTHETIC_2D", Verdict.ACCEPTED, "computed 2D view admitted by policy"
    OK_LOW_ENERGY = (
        "OK_LOW_ENERGY",
        Verdict.ACCEPTED,
        "low-energy contrast image admitted by policy",
    )
    OK_EXTRA_VIEW = (
        "OK_EXTRA_VIEW",
        Verdict.ACCEPTED,
        "view other than CC or MLO that the release supports",
    )
    REVIEW_SIDE_MISMATCH = (
        "REVIEW_SIDE_MISMATCH",
        Verdict.ACCEPTED,
        "chest wall found on the side the header excludes",
    )
    REVIEW_LATERALITY_CONFLICT = (
        "REVIEW_LATERALITY_CONFLICT",
        Verdict.ACCEPTED,
        "laterality attributes disagree",
    )
    REVIEW_VIEW_CONFLICT = (
        "REVIEW_VIEW_CONFLICT",
        Verdict.ACCEPTED,
        "view code and view text disagree (CC against MLO)",
    )
    REVIEW_POLARITY = (
        "REVIEW_POLARITY",
        Verdict.ACCEPTED,
        "background brighter than breast after the whole chain",
    )
    REVIEW_NO_BREAST = (
        "REVIEW_NO_BREAST",
        Verdict.ACCEPTED,
        "breast area below 2% or above 98% of the image",
    )
    SOP_SECONDARY_CAPTURE = "SOP_SECONDARY_CAPTURE", Verdict.EXCLUDED, "Secondary Capture"
    SOP_CR_DX = "SOP_CR_DX", Verdict.EXCLUDED, "CR or DX object"
    SOP_OTHER = "SOP_OTHER", Verdict.EXCLUDED, "another image class"
    MODALITY_OTHER = "MODALITY_OTHER", Verdict.EXCLUDED, "mammography class but Modality is not MG"
    NON_IMAGE_CAD_SR = "NON_IMAGE_CAD_SR", Verdict.EXCLUDED, "another product's CAD report"
    NON_IMAGE_DOSE_SR = "NON_IMAGE_DOSE_SR", Verdict.EXCLUDED, "radiation dose report"
    NON_IMAGE_SR = "NON_IMAGE_SR", Verdict.EXCLUDED, "structured report or key object selection"
    NON_IMAGE_PRESENTATION_STATE = (
        "NON_IMAGE_PRESENTATION_STATE",
        Verdict.EXCLUDED,
        "presentation state",
    )
    NON_IMAGE_DOCUMENT = "NON_IMAGE_DOCUMENT", Verdict.EXCLUDED, "encapsulated document"
    NON_IMAGE_RAW = "NON_IMAGE_RAW", Verdict.EXCLUDED, "a vendor's raw data"
    NON_IMAGE_DICOMDIR = "NON_IMAGE_DICOMDIR", Verdict.EXCLUDED, "media directory"
    NON_IMAGE_OTHER = "NON_IMAGE_OTHER", Verdict.EXCLUDED, "another object without an image"
    TOMO_VOLUME = "TOMO_VOLUME", Verdict.EXCLUDED, "tomosynthesis volume"
    TOMO_SLICE = "TOMO_SLICE", Verdict.EXCLUDED, "tomosynthesis slice"
    TOMO_PROJECTION = "TOMO_PROJECTION", Verdict.EXCLUDED, "one projection of a tomosynthesis sweep"
    SYNTHETIC_2D = "SYNTHETIC_2D", Verdict.EXCLUDED, "computed 2D view"
    CONTRAST_LOW_ENERGY = (
        "CONTRAST_LOW_ENERGY",
        Verdict.EXCLUDED,
        "low-energy image of a contrast study",
    )
    CONTRAST_HIGH_ENERGY = (
        "CONTRAST_HIGH_ENERGY",
        Verdict.EXCLUDED,
        "high-energy image of a contrast study",
    )
    CONTRAST_RECOMBINED = (
        "CONTRAST_RECOMBINED",
        Verdict.EXCLUDED,
        "recombined or subtracted contrast image",
    )
    INTENT_FOR_PROCESSING = (
        "INTENT_FOR_PROCESSING",
        Verdict.EXCLUDED,
        "raw image, no presentation partner",
    )
    INTENT_FOR_PROCESSING_PAIRED = (
        "INTENT_FOR_PROCESSING_PAIRED",
        Verdict.EXCLUDED,
        "raw image, its presentation partner is used",
    )
    BIOPSY_STEREO = "BIOPSY_STEREO", Verdict.EXCLUDED, "biopsy or stereotactic image"
    SPECIMEN = "SPECIMEN", Verdict.EXCLUDED, "tissue specimen"
    QUALITY_CONTROL = "QUALITY_CONTROL", Verdict.EXCLUDED, "phantom, flat field, calibration"
    SPOT = "SPOT", Verdict.EXCLUDED, "spot compression"
    MAGNIFICATION = "MAGNIFICATION", Verdict.EXCLUDED, "magnified view"
    FIELD_TOO_SMALL = (
        "FIELD_TOO_SMALL",
        Verdict.EXCLUDED,
        "field of view too small for a full breast",
    )
    IMAGE_TOO_SMALL = (
        "IMAGE_TOO_SMALL",
        Verdict.EXCLUDED,
        "fewer than 1,000 x 700 pixels, or thumbnail",
    )
    VIEW_NOT_SCREENING = (
        "VIEW_NOT_SCREENING",
        Verdict.EXCLUDED,
        "cleavage, tangential, rolled, axillary and other views",
    )
    VIEW_UNKNOWN = "VIEW_UNKNOWN", Verdict.EXCLUDED, "no readable view"
    LATERALITY_UNKNOWN = "LATERALITY_UNKNOWN", Verdict.EXCLUDED, "no readable laterality"
    DUPLICATE_INSTANCE = "DUPLICATE_INSTANCE", Verdict.EXCLUDED, "same SOP Instance UID, same bytes"
    DUPLICATE_EXPOSURE = (
        "DUPLICATE_EXPOSURE",
        Verdict.EXCLUDED,
        "another rendering of an exposure already taken",
    )
    SUPERSEDED = "SUPERSEDED", Verdict.EXCLUDED, "repeat of a view; a later or better one is used"
    ERASED = "ERASED", Verdict.EXCLUDED, "of a study or patient that was erased: never read again"
    NOT_DICOM = "NOT_DICOM", Verdict.QUARANTINED, "neither DICOM nor a known archive"
    HEADER_UNREADABLE = "HEADER_UNREADABLE", Verdict.QUARANTINED, "the data set cannot be parsed"
    HEADER_TOO_LARGE = (
        "HEADER_TOO_LARGE",
        Verdict.QUARANTINED,
        "pixel data begin only beyond the header limit",
    )
    META_CONFLICT = (
        "META_CONFLICT",
        Verdict.QUARANTINED,
        "file meta and data set disagree on SOP class or instance",
    )
    UID_CONFLICT = "UID_CONFLICT", Verdict.QUARANTINED, "same SOP Instance UID with other bytes"
    MISSING_ATTRIBUTE = (
        "MISSING_ATTRIBUTE",
        Verdict.QUARANTINED,
        "an attribute without which pixels have no meaning",
    )
    PIXEL_DATA_MISSING = "PIXEL_DATA_MISSING", Verdict.QUARANTINED, "image class without Pixel Data"
    PIXEL_FORMAT = (
        "PIXEL_FORMAT",
        Verdict.QUARANTINED,
        "samples, bits or photometric not those of a mammogram",
    )
    PIXEL_LENGTH_MISMATCH = (
        "PIXEL_LENGTH_MISMATCH",
        Verdict.QUARANTINED,
        "Pixel Data length contradicts the header",
    )
    DIMENSION_MISMATCH = (
        "DIMENSION_MISMATCH",
        Verdict.QUARANTINED,
        "codestream size contradicts Rows and Columns",
    )
    PRECISION_OVERFLOW = (
        "PRECISION_OVERFLOW",
        Verdict.QUARANTINED,
        "decoded values exceed Bits Stored",
    )
    TRUNCATED = "TRUNCATED", Verdict.QUARANTINED, "the file ends early"
    TRANSFER_SYNTAX_UNSUPPORTED = (
        "TRANSFER_SYNTAX_UNSUPPORTED",
        Verdict.QUARANTINED,
        "unknown or private transfer syntax",
    )
    DECODE_FAILED = "DECODE_FAILED", Verdict.QUARANTINED, "the codec refused the pixel data"
    SYNTAX_STOPPED = (
        "SYNTAX_STOPPED",
        Verdict.QUARANTINED,
        "two decoders disagree on this transfer syntax: not decoded in this run",
    )
    DECODE_TIMEOUT = "DECODE_TIMEOUT", Verdict.QUARANTINED, "decoding took longer than its limit"
    DECODE_CRASHED = "DECODE_CRASHED", Verdict.QUARANTINED, "the codec died on the pixel data"
    CONSTANT_IMAGE = "CONSTANT_IMAGE", Verdict.QUARANTINED, "all pixels equal after decoding"
    IMPLAUSIBLE_PIXELS = (
        "IMPLAUSIBLE_PIXELS",
        Verdict.QUARANTINED,
        "pixels that no exposure gives: one or two values throughout, or noise",
    )
    TOO_LARGE = "TOO_LARGE", Verdict.QUARANTINED, "over the pixel or byte limit"
    ARCHIVE_ENCRYPTED = "ARCHIVE_ENCRYPTED", Verdict.QUARANTINED, "the archive is encrypted"
    ARCHIVE_CORRUPT = "ARCHIVE_CORRUPT", Verdict.QUARANTINED, "the archive cannot be read"
    ARCHIVE_NESTED = "ARCHIVE_NESTED", Verdict.QUARANTINED, "an archive inside an archive"
    ARCHIVE_BOMB = "ARCHIVE_BOMB", Verdict.QUARANTINED, "the archive expands beyond the limit"
    ARCHIVE_UNSUPPORTED = (
        "ARCHIVE_UNSUPPORTED",
        Verdict.QUARANTINED,
        "an archive, or a member of a kind, that is not opened",
    )
    OBJECT_CHANGED = "OBJECT_CHANGED", Verdict.QUARANTINED, "the object changed while it was read"
    OBJECT_GONE = "OBJECT_GONE", Verdict.QUARANTINED, "the object was listed but is no longer there"
    READ_FAILED = (
        "READ_FAILED",
        Verdict.QUARANTINED,
        "the object could not be read from S3 this time",
    )


class Flag(StrEnum):
    """Something odd about an image that did not stop it; each carries its `line`."""

    line: str

    def __new__(cls, code: str, line: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.line = line
        return member

    W_INTENT_CONFLICT = (
        "W_INTENT_CONFLICT",
        "Presentation Intent Type contradicts the SOP class, which wins",
    )
    W_VIEW_CONFLICT = "W_VIEW_CONFLICT", "view code and view text disagree, the code wins"
    W_VIEW_FROM_TEXT = "W_VIEW_FROM_TEXT", "the view was read from free text"
    W_UNKNOWN_MODIFIER = "W_UNKNOWN_MODIFIER", "a view modifier that is not in CID 4015"
    W_IMPLANT = "W_IMPLANT", "Breast Implant Present is YES"
    W_IMPLANT_DISPLACED = "W_IMPLANT_DISPLACED", "implant displaced view"
    W_PARTIAL_VIEW = "W_PARTIAL_VIEW", "one part of a breast that needs several images"
    W_MIRRORED_BY_HEADER = (
        "W_MIRRORED_BY_HEADER",
        "Patient Orientation and pixels agree on a mirrored image",
    )
    W_HALF_RESOLUTION = (
        "W_HALF_RESOLUTION",
        "JPEG 2000 was decoded at half its resolution, as the release wants it",
    )
    W_TURNED = "W_TURNED", "the header says that the image is turned by 90 degrees"
    W_SIDE_UNCLEAR = "W_SIDE_UNCLEAR", "the chest wall side is not clear from the pixels"
    W_SPACING_INVALID = "W_SPACING_INVALID", "pixel spacing is missing or outside 0.03 to 0.2 mm"
    W_PADDING_IMPLAUSIBLE = (
        "W_PADDING_IMPLAUSIBLE",
        "the padding range covers tissue and was ignored",
    )
    W_VOI_MISSING = "W_VOI_MISSING", "neither window nor LUT: the used range was shown"
    W_VOI_FUNCTION_UNKNOWN = "W_VOI_FUNCTION_UNKNOWN", "unknown VOI LUT Function, read as LINEAR"
    W_LUT_SHORT = "W_LUT_SHORT", "the VOI LUT has fewer entries than it says"
    W_LUT_BITS = "W_LUT_BITS", "the VOI LUT is not of the depth that it says"
    W_POLARITY_CONFLICT = (
        "W_POLARITY_CONFLICT",
        "Photometric Interpretation contradicts Presentation LUT Shape",
    )
    W_FILM = "W_FILM", "digitised film: only a release that was made for it is valid"
    W_8BIT = "W_8BIT", "8 bits stored"
    W_LOSSY = "W_LOSSY", "lossy compression"
    W_BURNED_IN = "W_BURNED_IN", "Burned In Annotation is YES"
    W_PRECISION_MISMATCH = (
        "W_PRECISION_MISMATCH",
        "the codestream is not of the depth that the header says",
    )
    W_NO_DELIMITER = "W_NO_DELIMITER", "the pixel sequence has no delimiter"
    W_TRAILING_BYTES = "W_TRAILING_BYTES", "bytes after the pixel data"
    W_VR_INVALID = "W_VR_INVALID", "a value is not valid for its VR"
    W_MEMBER_NAME = "W_MEMBER_NAME", "an archive member's name that is no plain relative path"


class SourceKind(StrEnum):
    """What kind of machine an image came from: releases are valid for some of them."""

    FFDM = "ffdm"  # full-field digital mammography
    FILM = "film"  # digitised film
    SYNTHETIC_2D = "synthetic_2d"  # computed from tomosynthesis
    UNKNOWN = "unknown"


class NotScored(StrEnum):
    """Why a study has no score; `final` ones are not tried again by the next run."""

    final: bool

    def __new__(cls, code: str, final: bool) -> Self:  # noqa: FBT001 -- an enum's value
        member = str.__new__(cls, code)
        member._value_ = code
        member.final = final
        return member

    NO_2D_IMAGE = "NO_2D_IMAGE", True
    ALL_QUARANTINED = "ALL_QUARANTINED", True
    MIXED_PATIENTS = "MIXED_PATIENTS", True
    CONFLICTING_INSTANCES = "CONFLICTING_INSTANCES", True
    NOT_VALID_FOR_RELEASE = "NOT_VALID_FOR_RELEASE", True
    POISON = "POISON", True
    SYNTAX_STOPPED = "SYNTAX_STOPPED", False
    READ_FAILED = "READ_FAILED", False
    INFER_FAILED = "INFER_FAILED", False
    TIMED_OUT = "TIMED_OUT", False
    WORKER_DIED = "WORKER_DIED", False


class Status(StrEnum):
    """Where a study stands with its readers."""

    OPEN = "open"  # unread or claimed
    UNREAD = "unread"
    CLAIMED = "claimed"  # somebody reads it at this moment
    READ = "read"
    AGED = "aged"  # open for too long


class Call(StrEnum):
    """What a reader decides for a breast. Stored: add, never rename."""

    RECALL = "recall"
    ROUTINE = "routine"
    TECHNICAL_REPEAT = "technical_repeat"


class Level(StrEnum):
    """A study's place in the worklist, in words."""

    URGENT = "urgent"
    NOT_SCORED = "not_scored"
    SOON = "soon"
    ROUTINE = "routine"
    LOW = "low"


class Kind(StrEnum):
    """What a finding looks like."""

    MASS = "mass"
    CALCIFICATION = "calcification"


RETRIED_OBJECT_REASONS = frozenset(
    {Reason.READ_FAILED, Reason.OBJECT_CHANGED, Reason.OBJECT_GONE}
)  # storage level: read again by the next run, exit code 4
