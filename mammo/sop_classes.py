"""SOP classes and transfer syntaxes that a mammography archive holds (PS3.4 B.5, PS3.6 A)."""

from mammo.codes import Reason

_ROOT = "1.2.840.10008.5.1.4.1.1"

FOR_PRESENTATION = f"{_ROOT}.1.2"
FOR_PROCESSING = f"{_ROOT}.1.2.1"
MAMMOGRAPHY = frozenset({FOR_PRESENTATION, FOR_PROCESSING})
TOMOSYNTHESIS = f"{_ROOT}.13.1.3"
PROJECTIONS = frozenset({f"{_ROOT}.13.1.4", f"{_ROOT}.13.1.5"})
BREAST = MAMMOGRAPHY | PROJECTIONS | {TOMOSYNTHESIS}
CT = frozenset({f"{_ROOT}.2", f"{_ROOT}.2.1"})
SECONDARY_CAPTURE = frozenset({f"{_ROOT}.7"} | {f"{_ROOT}.7.{n}" for n in range(1, 5)})
CR_DX = frozenset({f"{_ROOT}.1", f"{_ROOT}.1.1", f"{_ROOT}.1.1.1"})
DICOMDIR = "1.2.840.10008.1.3.10"

NON_IMAGE = {
    DICOMDIR: Reason.NON_IMAGE_DICOMDIR,
    f"{_ROOT}.88.50": Reason.NON_IMAGE_CAD_SR,
    f"{_ROOT}.88.67": Reason.NON_IMAGE_DOSE_SR,
    f"{_ROOT}.88.76": Reason.NON_IMAGE_DOSE_SR,
    **{f"{_ROOT}.88.{n}": Reason.NON_IMAGE_SR for n in (11, 22, 33, 34, 35, 40, 59, 65, 69)},
    **{f"{_ROOT}.88.{n}": Reason.NON_IMAGE_SR for n in (70, 71, 72, 73, 74, 75)},
    **{f"{_ROOT}.11.{n}": Reason.NON_IMAGE_PRESENTATION_STATE for n in range(1, 13)},
    f"{_ROOT}.104.1": Reason.NON_IMAGE_DOCUMENT,
    f"{_ROOT}.104.2": Reason.NON_IMAGE_DOCUMENT,  # encapsulated CDA
    f"{_ROOT}.66": Reason.NON_IMAGE_RAW,
    f"{_ROOT}.66.1": Reason.NON_IMAGE_OTHER,  # spatial registration
    f"{_ROOT}.66.2": Reason.NON_IMAGE_OTHER,  # spatial fiducials
    f"{_ROOT}.66.3": Reason.NON_IMAGE_OTHER,  # deformable registration
    f"{_ROOT}.66.4": Reason.NON_IMAGE_OTHER,  # segmentation
    f"{_ROOT}.66.5": Reason.NON_IMAGE_OTHER,  # surface segmentation
}

IMPLICIT_VR_LE = "1.2.840.10008.1.2"
EXPLICIT_VR_LE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BE = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_VR_LE, EXPLICIT_VR_LE, DEFLATED, EXPLICIT_VR_BE})
JPEG_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
ENCAPSULATED = (
    frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (57, 70, 80, 81, 90, 91, 201, 202, 203))
    | JPEG_LOSSY
    | {"1.2.840.10008.1.2.5"}
)
