"""CBIS-DDSM's files, found by the names of their folders.

Older downloads lie as the tables say (`FOLDER/STUDY/SERIES/000000.dcm`), newer ones as
`FOLDER/DATE.../SERIES.../1-1.dcm`: only the first folder's name is in both. Crop and mask of a
lesion lie in one folder, and the columns of the tables that name them are swapped in part: the mask
is the file that has its film's size and at most two values.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mammo.decode import PixelError, decode
from training.datasets.oddities import Oddity
from training.datasets.readers.files import Size, size_of

FOLDER = re.compile(r"(?:Mass|Calc)-(?:Training|Test)_P_\d+_(?:LEFT|RIGHT)_(?:CC|MLO)(?:_\d+)?")
ASPECT = 0.01  # by how much a mask's shape may differ from its film's


@dataclass(frozen=True, slots=True)
class Index:
    """Files by the folder that names the film or the lesion."""

    by_folder: dict[str, tuple[Path, ...]]

    def of(self, folder: str) -> tuple[Path, ...]:
        """All of a folder's files."""
        return self.by_folder.get(folder, ())

    def film(self, folder: str) -> Path | None:
        """The film; a second file beside it is not taken, and stands among the unlisted ones."""
        return next(iter(self.of(folder)), None)

    def mask(
        self, folder: str, written: str, film: Size | None, oddities: list[Oddity]
    ) -> Path | None:
        """A lesion's mask for a film of that size (rows, columns); None if no file can be it."""
        files = self.of(folder)
        if not files:
            oddities.append(Oddity.MASK_MISSING)
            return None
        sizes = {path: size for path in files if (size := size_of(path))}
        exact = [path for path, size in sizes.items() if size == film]
        alike = [path for path, size in sizes.items() if film and _same_shape(size, film)]
        found = next((path for path in exact if len(exact) == 1 or is_binary(path)), None)
        if found is None:
            found = next((path for path in alike if is_binary(path)), None)
            oddities.append(Oddity.MASK_BROKEN if found is None else Oddity.MASK_RESIZED)
        if found and found.name != Path(written).name and _named_alike(files, written):
            oddities.append(Oddity.MASK_SWAPPED)
        return found


def _same_shape(size: Size, film: Size) -> bool:
    return abs(size[0] * film[1] / (size[1] * film[0]) - 1) < ASPECT


def _named_alike(files: tuple[Path, ...], written: str) -> bool:
    """Whether files are called as the tables call them: 000000.dcm, 000001.dcm."""
    return any(path.name == Path(written).name for path in files)


def is_binary(path: Path) -> bool:
    """Whether the pixels have two values at most; False for a file that cannot be decoded."""
    try:
        pixels = decode(path.read_bytes()).pixels
    except (PixelError, OSError):
        return False
    return bool(np.isin(pixels, (pixels.min(), pixels.max())).all())


def index(folder: Path) -> Index:
    """All DICOM files below `folder` that lie in a film's or a lesion's folder."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.dcm")):
        name = next(
            (part for part in path.relative_to(folder).parts[:-1] if FOLDER.fullmatch(part)), None
        )
        if name:
            found[name].append(path)
    return Index({name: tuple(paths) for name, paths in found.items()})
