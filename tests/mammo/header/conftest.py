"""Headers made by pydicom, with pixel data that are only stated: nobody reads them here."""

import struct
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence

from mammo.codes import Flag, Reason
from mammo.facts import Facts
from mammo.header import FIRST_READ, Header, NeedMore, parse
from mammo.verdict import Judgement, Policy, judge

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
OW, ITEM = b"\xe0\x7f\x10\x00OW\0\0", b"\xfe\xff\x00\xe0"


class Object(NamedTuple):
    """The beginning of an object, and its length."""

    prefix: bytes
    size: int

    @property
    def header(self) -> Header:
        """Read as a caller with a ranged GET would: more when more is wanted."""
        whole = self.prefix.ljust(min(self.size, 1 << 23), b"\0")[: self.size]
        length = min(self.size, FIRST_READ)
        while True:
            try:
                return parse(whole[:length], self.size)
            except NeedMore as more:
                wanted = more.length
            assert length < wanted <= self.size
            length = wanted

    @property
    def facts(self) -> Facts:
        """Of an object with an instance."""
        facts = self.header.facts
        assert facts is not None
        return facts

    def judged(self, **policy: Any) -> Judgement:
        """Under a policy."""
        header = self.header
        return header.judgement or judge(self.facts, Policy(**policy))

    @property
    def reason(self) -> Reason:
        """Under the plain policy."""
        return self.judged().reason

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Under the plain policy."""
        return self.judged().flags


def code(value: str, scheme: str, meaning: str = "words") -> Dataset:
    """A code sequence's item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def mammogram(**changes: Any) -> Dataset:
    """A plain screening view, R CC, with attributes changed; None removes one."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.SOPClassUID, ds.SOPInstanceUID = FOR_PRESENTATION, "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    ds.StudyDate, ds.AcquisitionDate, ds.AcquisitionTime = "20260102", "20260102", "101500.25"
    ds.Modality, ds.PresentationIntentType = "MG", "FOR PRESENTATION"
    ds.Manufacturer, ds.ManufacturerModelName = "HOLOGIC, Inc.", "Selenia Dimensions"
    ds.PatientName, ds.PatientID, ds.PatientSex = "Doe^Jane", "P-1", "F"
    ds.PatientBirthDate = "19600102"
    ds.BodyPartExamined, ds.DetectorType = "BREAST", "DIRECT"
    ds.ImagerPixelSpacing = [0.07, 0.07]
    ds.PatientOrientation, ds.ImageLaterality, ds.ViewPosition = ["P", "L"], "R", "CC"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = 3328, 2560
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.BurnedInAnnotation, ds.PresentationLUTShape = "NO", "IDENTITY"
    ds.ViewCodeSequence = Sequence([code("R-10242", "SNM3")])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([])
    for keyword, value in changes.items():
        if value is None:
            ds.pop(keyword, None)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # archives hold values that are not valid too
                setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """A DICOM file without pixel data."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID")
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def with_pixels(ds: Dataset, length: int | None = None) -> Object:
    """Explicit VR LE; `length`: of Pixel Data, what the header implies unless stated."""
    start = encoded(ds)
    if length is None:
        pixels = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel)
        pixels *= int(ds.get("NumberOfFrames", 1))
        length = pixels * int(ds.BitsAllocated) // 8
    return Object(start + OW + struct.pack("<I", length), len(start) + 12 + length)


def with_fragments(ds: Dataset, syntax: str, *lengths: int, end: bool = True) -> Object:
    """Compressed, an empty offset table and fragments of these lengths."""
    bytes_ = encoded(ds, syntax) + OW + b"\xff\xff\xff\xff" + ITEM + bytes(4)
    for length in lengths:
        bytes_ += ITEM + struct.pack("<I", length) + bytes(length)
    bytes_ += b"\xfe\xff\xdd\xe0" + bytes(4) if end else b""
    return Object(bytes_, len(bytes_))


class Make(NamedTuple):
    """What tests make objects with."""

    code: Callable[..., Dataset] = code
    mammogram: Callable[..., Dataset] = mammogram
    encoded: Callable[..., bytes] = encoded
    with_pixels: Callable[..., Object] = with_pixels
    with_fragments: Callable[..., Object] = with_fragments
    object: type[Object] = Object

    def image(self, **changes: Any) -> Object:
        """A screening view with attributes changed, native pixels stated."""
        return with_pixels(mammogram(**changes))


@pytest.fixture(scope="session")
def make() -> Make:
    """Makers of objects."""
    return Make()
