"""Phantom images as DICOM files: Digital Mammography X-Ray Image Storage - For Presentation.

Sources: PS3.3 A.27 and C.8.11 (the mammography IOD), PS3.5 annex A (encapsulation).
"""

import io
from datetime import date

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID

from mammo.phantoms.exposure import presentation
from mammo.phantoms.machines import Look
from mammo.phantoms.plan import Syntax
from mammo.phantoms.study import PhantomImage
from mammo.views import Laterality, Projection

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
IMPLEMENTATION = "2.25.263184057921365841298345071234985612340"
_VIEWS = {  # CID 4014, SCT
    Projection.CC: ("399162004", "cranio-caudal"),
    Projection.MLO: ("399368009", "medio-lateral oblique"),
}
_ORIENTATION = {  # right breasts have the chest wall at the right edge
    (Laterality.RIGHT, Projection.CC): ["P", "L"],
    (Laterality.RIGHT, Projection.MLO): ["P", "FL"],
    (Laterality.LEFT, Projection.CC): ["A", "R"],
    (Laterality.LEFT, Projection.MLO): ["A", "FR"],
}


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def compress(pixels: NDArray[np.uint16], bits: int, syntax: Syntax) -> bytes:
    """One frame, uint16 (rows, columns), as the bytes of a transfer syntax."""
    match syntax:
        case Syntax.EXPLICIT_LITTLE:
            return pixels.astype("<u2").tobytes()
        case Syntax.RLE:
            return _run_lengths(pixels)
        case Syntax.JPEG_LOSSLESS:
            return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=bits))
        case Syntax.JPEG_LS:
            return bytes(imagecodecs.jpegls_encode(pixels))
        case Syntax.JPEG_2000:
            return bytes(
                imagecodecs.jpeg2k_encode(
                    pixels, codecformat="J2K", reversible=True, level=0,
                    bitspersample=bits, numthreads=1,
                )
            )  # fmt: skip


def _run_lengths(pixels: NDArray[np.uint16]) -> bytes:
    """DICOM RLE (PS3.5 annex G): high bytes, then low bytes, each row packed by itself."""
    planes = (pixels >> 8).astype(np.uint8), (pixels & 0xFF).astype(np.uint8)
    segments = [bytes(imagecodecs.packbits_encode(plane, axis=-1)) for plane in planes]
    segments = [s + b"\0" * (len(s) % 2) for s in segments]
    header = np.zeros(16, "<u4")
    header[:3] = len(planes), 64, 64 + len(segments[0])
    return header.tobytes() + b"".join(segments)


def _age(born: date, day: date) -> str:
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return f"{years:03d}Y"


def _identify(out: Dataset, image: PhantomImage) -> None:
    """Patient, study, series and instance."""
    plan = image.plan
    day, clock = plan.day.strftime("%Y%m%d"), f"{8 + plan.index % 10:02d}{7 * image.number:02d}00"
    out.ImageType = ["ORIGINAL", "PRIMARY", ""]
    if image.background.machine.look is Look.FILM:
        out.ImageType = ["DERIVED", "PRIMARY"]  # digitised
    out.SOPClassUID, out.SOPInstanceUID = FOR_PRESENTATION, image.sop_instance_uid
    out.StudyDate = out.SeriesDate = out.AcquisitionDate = out.ContentDate = day
    out.StudyTime = f"{8 + plan.index % 10:02d}0000"
    out.SeriesTime = out.AcquisitionTime = out.ContentTime = clock
    out.AccessionNumber = f"A{plan.index:06d}"
    out.Modality, out.PresentationIntentType = "MG", "FOR PRESENTATION"
    out.Manufacturer = "Nightread, computer-made images"
    out.ManufacturerModelName = image.background.machine.model
    out.ReferringPhysicianName = ""
    out.SeriesDescription = f"{image.laterality} {image.projection}"
    out.PatientName, out.PatientID = plan.patient.name, plan.patient.id
    out.PatientBirthDate = plan.patient.birth_date.strftime("%Y%m%d")
    out.PatientSex, out.PatientAge = "F", _age(plan.patient.birth_date, plan.day)
    out.StudyInstanceUID, out.SeriesInstanceUID = plan.study_uid, image.series_uid
    out.StudyID, out.SeriesNumber, out.InstanceNumber = str(plan.index), image.number, 1


def _describe(out: Dataset, image: PhantomImage) -> None:
    """Acquisition, view and anatomy."""
    machine = image.background.machine
    film = machine.look is Look.FILM
    spacing = [f"{machine.spacing * image.background.resolution:.4f}"] * 2
    out.BodyPartExamined = "BREAST"
    out.ImagerPixelSpacing = spacing
    out.PositionerType = "NONE" if film else "MAMMOGRAPHIC"
    out.DetectorType = "FILM" if film else "DIRECT"
    out.DetectorConfiguration = "AREA"
    out.DetectorID = f"NR-{machine.model}"
    out.PatientOrientation = _ORIENTATION[image.laterality, image.projection]
    out.ImageLaterality = str(image.laterality)
    out.BurnedInAnnotation = "NO"
    out.PixelIntensityRelationship, out.PixelIntensityRelationshipSign = "LOG", 1
    if machine.inverse:
        out.PixelIntensityRelationshipSign = -1
    out.LossyImageCompression = "00"
    out.BreastImplantPresent, out.OrganExposed, out.PartialView = "NO", "BREAST", "NO"
    out.BodyPartThickness = f"{image.plan.breast.thickness:.0f}"
    out.ViewPosition = str(image.projection)
    out.AcquisitionContextSequence = Sequence()
    view = _code(*_VIEWS[image.projection])
    view.ViewModifierCodeSequence = Sequence()
    out.ViewCodeSequence = Sequence([view])
    out.AnatomicRegionSequence = Sequence([_code("76752008", "Breast")])


def encode(image: PhantomImage) -> bytes:
    """A complete DICOM file (PS3.10) in the study's transfer syntax."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = UID(image.sop_instance_uid)
    meta.TransferSyntaxUID = UID(image.plan.transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = "NIGHTREAD"
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _identify(out, image)
    _describe(out, image)
    out.update(presentation(image.background.machine))
    out.Rows, out.Columns = image.pixels.shape
    frame = compress(image.pixels, out.BitsStored, image.plan.transfer_syntax)
    if image.plan.transfer_syntax is Syntax.EXPLICIT_LITTLE:
        out.add_new(0x7FE00010, "OW", frame)
    else:
        out.add_new(0x7FE00010, "OB", encapsulate([frame]))
        out["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dcmwrite(buffer, out, enforce_file_format=True)
    return buffer.getvalue()
