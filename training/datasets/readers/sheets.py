"""Spreadsheets of Office Open XML (ISO/IEC 29500), a sheet as rows of strings."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import DatasetError


def rows_of(path: Path, sheet: str) -> Iterator[dict[str, str]]:
    """The rows below the first one, by its names; an empty cell is an empty string.

    Raises DatasetError where openpyxl is missing, the file is no workbook or has no such sheet.
    """
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise DatasetError(
            f"{path.name} is a spreadsheet: install the extra `research` to read it."
        ) from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        rows = [[_text(cell) for cell in row] for row in book[sheet].iter_rows(values_only=True)]
        book.close()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, InvalidFileException, SyntaxError):
        raise DatasetError(
            f"{path} cannot be read, or has no sheet {sheet!r}: get the file anew."
        ) from None
    names = [name.strip() for name in rows[0]] if rows else []
    for row in rows[1:]:
        if any(row):
            yield dict(zip(names, row, strict=False))


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
