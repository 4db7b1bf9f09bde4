"""Archives written by Python's own modules, and a way to read them that counts."""

import gzip
import io
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset

from mammo.verdict import Policy
from ray_jobs.archive.walk import MemberRead, fetch_member, opened

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Files = Iterable[tuple[str, bytes]]
KINDS = ("zip", "tar", "gzip", "zstd")


@dataclass
class Stored:
    """An object in memory; `taken` are the ranges that were asked for."""

    data: bytes
    taken: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= len(self.data)
        self.taken.append((start, end))
        return self.data[start:end]

    @property
    def bytes_taken(self) -> int:
        return sum(end - start for start, end in self.taken)

    def members(self, kind: str) -> list[MemberRead]:
        """What each member is, by its header."""
        return [one.read for one in opened(self.fetch, len(self.data), kind, Policy())]

    def whole(self, member: MemberRead) -> bytes:
        """A member's bytes, by its place alone."""
        assert member.place is not None
        return fetch_member(self.fetch, len(self.data), member.place)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED, *, zip64: bool = False) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in files:
            info = zipfile.ZipInfo()  # its constructor would cut a name at a NUL
            info.filename = name
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(data)
    return written.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=form) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return written.getvalue()


def packed(kind: str, files: Files) -> bytes:
    """An archive of one of `KINDS`."""
    if kind == "zip":
        return zipped(files)
    tar = tarred(files)
    return {"tar": bytes, "gzip": gzip.compress, "zstd": zstd.compress}[kind](tar)


def dicom(uid: str = "1.2.3.4", pixels: bytes = b"") -> bytes:
    """A DICOM file that names itself and no more: an instance, and quarantined."""
    header = Dataset()
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    header.SOPInstanceUID = uid
    header.StudyInstanceUID = "1.2.3"
    header.Modality = "MG"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = uid
    written = io.BytesIO()
    dcmwrite(written, header, enforce_file_format=True)
    element = b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    return written.getvalue() + (element if pixels else b"")
