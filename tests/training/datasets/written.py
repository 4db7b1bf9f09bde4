"""Files of the shape that data sets have, as small as they can be."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def dicom(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """A Secondary Capture of the modality MG, as CBIS-DDSM's are."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality = "MG"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = 0
    raw = pixels.tobytes()
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    file = BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def film(rows: int = 240, columns: int = 160) -> NDArray[np.uint16]:
    """A half disc of tissue at the left edge, of 16 bits."""
    y, x = np.mgrid[:rows, :columns]
    inside = (x / (0.8 * columns)) ** 2 + ((y - rows / 2) / (0.45 * rows)) ** 2 < 1
    return np.where(inside, 30_000 + 40 * x, 0).astype(np.uint16)


def mask(rows: int = 240, columns: int = 160) -> NDArray[np.uint8]:
    """A lesion of 20 x 30 pixels (columns 40 to 59, rows 100 to 129)."""
    drawn = np.zeros((rows, columns), np.uint8)
    drawn[100:130, 40:60] = 255
    return drawn
