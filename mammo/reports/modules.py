"""What all exported objects share: whose they are, who made them, and a UID from what they say.

Sources: PS3.3 C.7.1.1 (patient), C.7.2.1 (study), C.7.5.1 (equipment), C.12.1 (SOP common).
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO

from pydicom import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from mammo.reports.concepts import Concept
from mammo.reports.contents import NOTICE, PRODUCT, Image, Report

UTF8 = "ISO_IR 192"
_DATE = re.compile(r"\d{8}")
_OFFSET = re.compile(r"[+-]\d{4}")
# By PS3.5 B.2, from a UUID: here from a digest, so that the same object has the same name.
_BY_UUID = "2.25."
IMPLEMENTATION = UID(_BY_UUID + str(int(hashlib.sha256(PRODUCT.encode()).hexdigest()[:32], 16)))


def uid_of(*parts: str) -> UID:
    """A UID that follows from `parts` alone."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return UID(_BY_UUID + str(int.from_bytes(digest[:16], "big")))


def begun(report: Report, kind: str, sop_class: str, modality: str, series: int) -> Dataset:
    """An object of the report's study, in the series of its kind, without its own UID."""
    made = Dataset()
    made.SpecificCharacterSet = UTF8
    made.SOPClassUID = UID(sop_class)
    _patient(made, report)
    study, algorithm = report.study, report.algorithm
    made.StudyInstanceUID = study.uid
    made.StudyDate, made.StudyTime = study.date, study.time
    made.AccessionNumber, made.StudyID = study.accession, study.id
    made.ReferringPhysicianName = study.referring
    if study.offset:
        made.TimezoneOffsetFromUTC = study.offset
    made.Modality = modality
    made.SeriesInstanceUID = uid_of(study.uid, algorithm.digest, kind)
    made.SeriesNumber = series
    made.SeriesDescription = f"{PRODUCT} {kind}. {NOTICE}"
    made.Manufacturer = PRODUCT
    made.ManufacturerModelName = PRODUCT
    made.DeviceSerialNumber = algorithm.digest[:16]
    made.SoftwareVersions = [algorithm.code_version[:64], algorithm.release[:64]]
    made.InstanceNumber = 1
    return made


def local(report: Report) -> tuple[str, str]:
    """Date and time of the result on the clock of the study's images, UTC if they do not say."""
    zone: timezone = UTC
    if (offset := report.study.offset) and _OFFSET.fullmatch(offset):
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        zone = timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes))
    at: datetime = report.created.astimezone(zone)
    return at.strftime("%Y%m%d"), at.strftime("%H%M%S")


def _patient(made: Dataset, report: Report) -> None:
    who = report.patient
    made.PatientName = who.name
    made.PatientID = who.patient_id
    if who.issuer:
        made.IssuerOfPatientID = who.issuer
    made.PatientBirthDate = who.birth_date if _DATE.fullmatch(who.birth_date) else ""
    made.PatientSex = who.sex if who.sex in ("M", "F", "O") else ""


def sealed(made: Dataset) -> Dataset:
    """Name the object by its content: the same again is the same object, anything else another."""
    made.pop("SOPInstanceUID", None)
    said = DicomBytesIO()
    said.is_little_endian, said.is_implicit_VR = True, False
    write_dataset(said, made)
    digest = hashlib.sha256(said.getvalue()).digest()
    made.SOPInstanceUID = UID(_BY_UUID + str(int.from_bytes(digest[:16], "big")))
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = IMPLEMENTATION
    made.file_meta.ImplementationVersionName = PRODUCT.upper()
    return made


def encoded(made: Dataset) -> bytes:
    """The object as a file; its preamble is zero."""
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


def item(**values: object) -> Dataset:
    """An item of a sequence, by keywords."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def sequence(items: Iterable[Dataset]) -> Sequence:
    return Sequence(items)


def coded(concept: Concept) -> Dataset:
    """A code sequence's item (PS3.3 8.8)."""
    return item(
        CodeValue=concept.value,
        CodingSchemeDesignator=concept.scheme,
        CodeMeaning=concept.meaning,
    )


def reference(image: Image) -> Dataset:
    """A SOP instance reference (PS3.3 10.8)."""
    return item(
        ReferencedSOPClassUID=image.sop_class, ReferencedSOPInstanceUID=image.sop_instance_uid
    )


def by_series(images: Iterable[Image], within: str) -> Sequence:
    """References under their series; `within` names the sequence that holds them."""
    series: dict[str, list[Dataset]] = {}
    for image in images:
        series.setdefault(image.series_uid, []).append(reference(image))
    return sequence(
        item(SeriesInstanceUID=uid, **{within: sequence(found)}) for uid, found in series.items()
    )
