"""The data sets that can be read, each recognised by the names of its files."""

from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Reader
from training.datasets.readers import (
    bcdr,
    cbis_ddsm,
    cbis_ddsm_mass_800,
    cdd_cesm,
    cdd_cesm_512,
    ddsm,
    ddsm_mlo_tissue,
    inbreast,
    mini_ddsm,
    mini_mias,
    phantom_files,
)

READERS: tuple[Reader, ...] = (  # those with names of their own first
    cbis_ddsm_mass_800.READER,
    cdd_cesm_512.READER,
    ddsm_mlo_tissue.READER,
    mini_mias.READER,
    cdd_cesm.READER,
    cbis_ddsm.READER,
    phantom_files.READER,
    inbreast.READER,
    bcdr.READER,
    mini_ddsm.READER,
    ddsm.READER,  # last: it looks for its cases however deep
)


def recognise(folder: Path) -> Reader:
    """The data set in a folder. Raises DatasetError, which says what would be recognised."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder.")
    for reader in READERS:
        if reader.recognises(folder):
            return reader
    known = ", ".join(reader.title for reader in READERS)
    raise DatasetError(f"{folder} holds no data set that is known here; known are {known}.")


def read(folder: Path) -> tuple[Reader, Collection]:
    """A folder's data set, read. Raises DatasetError."""
    reader = recognise(folder)
    return reader, reader.read(folder)
