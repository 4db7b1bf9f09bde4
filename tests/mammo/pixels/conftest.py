"""Files made for a test, byte by byte where it matters, and real ones."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate

EXPLICIT = "1.2.840.10008.1.2.1"
Make = Callable[..., bytes]


def make_dicom(
    pixels: NDArray[Any] | bytes,
    syntax: str = EXPLICIT,
    *,
    drop: tuple[str, ...] = (),
    **values: Any,
) -> bytes:
    """A mammogram's file. `pixels`: an array for native, a stream for a compressed syntax."""
    header = Dataset()
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    header.SOPInstanceUID = "1.2.3.4"
    header.Modality = "MG"
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation = 0
    if isinstance(pixels, bytes):
        header.PixelData = encapsulate([pixels])
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = True
    else:
        header.Rows, header.Columns = pixels.shape
        header.PixelData = pixels.tobytes()
        header["PixelData"].VR = "OW"
        header.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in values.items():
        setattr(header, keyword, value)
    for keyword in drop:
        delattr(header, keyword)
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, header, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture(scope="session")
def make() -> Make:
    return make_dicom


@pytest.fixture(scope="session")
def texture() -> NDArray[np.uint16]:
    """12 bit, (64, 80): smooth enough to compress, no two rows alike."""
    steps = np.random.default_rng(9).integers(-40, 41, (64, 80))
    return np.clip(2000 + np.cumsum(steps, axis=1), 0, 4095).astype(np.uint16)


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    """Six real mammography files."""
    return shared / "data" / "dicom-mg"


@pytest.fixture(scope="session")
def syntaxes(shared: Path) -> Path:
    """One crop in every transfer syntax, and files of other encoders."""
    return shared / "data" / "dicom-syntaxes"
