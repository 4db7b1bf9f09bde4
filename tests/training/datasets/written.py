"""Files of the shape that data sets have, as small as they can be."""

import random
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from training.datasets.collection import DatasetError


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


def damages(data: bytes, seed: int) -> Iterator[bytes]:
    """A file cut short, with bytes that do not belong there, lines lost, numbers changed."""
    chance = random.Random(seed)
    at = chance.randrange(len(data) + 1)
    lines = data.splitlines(keepends=True)
    yield data[:at]
    yield data[:at] + chance.randbytes(20) + data[at:]
    yield b"".join(line for line in lines if chance.random() < 0.8)
    yield bytes(chance.choice(b"0123456789-.x") if c in b"0123456789" else c for c in data)
    yield data.replace(chance.choice([b",", b";", b" ", b"<", b"{", b'"']), b"")


def survives(read: Callable[[Path], object], folder: Path, seeds: int = 6) -> int:
    """Reads `folder` with each text file damaged in turn; how often that gave an account.

    Anything but a result or a DatasetError is an error of the reader.
    """
    texts = {".csv", ".xml", ".ics", ".OVERLAY", ".txt", ".jsonl", ".json"}
    done = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix not in texts:
            continue
        whole = path.read_bytes()
        for seed in range(seeds):
            for damaged in damages(whole, seed):
                path.write_bytes(damaged)
                try:
                    read(folder)
                    done += 1
                except DatasetError:
                    pass
        path.write_bytes(whole)
    return done
