"""Image files of data sets, looked at by their headers alone."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from training.datasets.oddities import Oddity, Problem

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".pgm", ".tif", ".tiff"})
DICOM = ".dcm"

Size = tuple[int, int]  # rows, columns


def size_of(path: Path) -> Size | None:
    """Rows and columns by the file's header; None where that cannot be read."""
    if path.suffix.lower() == DICOM:
        return _dicom_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a picture that is large: nothing is decoded
            with Image.open(path) as image:
                return image.height, image.width
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _dicom_size(path: Path) -> Size | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that are not valid for their VR
            header = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
            rows, columns = int(header.Rows), int(header.Columns)
    except (OSError, InvalidDicomError, AttributeError, ValueError, TypeError, EOFError, KeyError):
        return None
    return (rows, columns) if rows > 0 and columns > 0 else None


def look(
    path: Path, written: Size | None, oddities: list[Oddity]
) -> tuple[Path | None, Size | None]:
    """The file if it is there, and its size: by the file, else as written.

    Adds what is odd to `oddities`.
    """
    if not path.is_file():
        oddities.append(Oddity.FILE_MISSING)
        return None, written
    size = size_of(path)
    if size is None:
        oddities.append(Oddity.FILE_UNREADABLE)
    elif written is not None and size != written:
        oddities.append(Oddity.SIZE_DIFFERS)
    return path, size or written


def unlisted(
    folder: Path, named: Iterable[Path], suffixes: Iterable[str] = PICTURES
) -> list[Problem]:
    """The image files in `folder`, and below, that no record is made from."""
    known, wanted = set(named), set(suffixes)
    return [
        Problem(Oddity.FILE_UNLISTED, path.relative_to(folder).as_posix())
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in wanted and path not in known and path.is_file()
    ]
