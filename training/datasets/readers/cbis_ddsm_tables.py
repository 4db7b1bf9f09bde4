"""CBIS-DDSM's tables of cases: a row is a lesion on one view."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.collection import DatasetError
from training.datasets.oddities import Oddity
from training.datasets.readers.values import laterality
from training.datasets.record import Pattern, Split

PATTERNS = {"mass": Pattern.MASS, "calcification": Pattern.CALCIFICATION}
ASKED = ("patient_id", "image view", "abnormality type", "assessment", "pathology", "subtlety")
PATHS = ("image file path", "cropped image file path", "ROI mask file path")


@dataclass(frozen=True, slots=True)
class Row:
    """A lesion on a view."""

    values: dict[str, str]  # stripped; the density under one name
    split: Split
    oddities: tuple[Oddity, ...]

    @property
    def view(self) -> str:
        """Names the film: patient, side, view."""
        v = self.values
        return f"{v['patient_id']}_{v['left or right breast']}_{v['image view']}"

    @property
    def film(self) -> str:
        """The film's folder."""
        return self.values["image file path"].partition("/")[0]

    @property
    def lesion(self) -> str:
        """The folder of crop and mask."""
        return self.values["ROI mask file path"].partition("/")[0]


def rows_of(table: Path) -> Iterable[dict[Any, Any]]:
    """By a CSV parser: a row spans several lines where a path ends in a line break."""
    try:
        with table.open(newline="", encoding="utf-8", errors="replace") as file:
            yield from csv.DictReader(file)
    except csv.Error:
        raise DatasetError(f"{table} is no CSV table: get the file anew.") from None


def parse_row(raw: dict[Any, Any], split: Split) -> Row:
    oddities = []
    if any("\n" in (raw.get(name) or "") for name in PATHS):
        oddities.append(Oddity.LINE_BREAK_IN_FIELD)
    values = {key: (value or "").strip() for key, value in raw.items() if isinstance(key, str)}
    values["density"] = values.get("breast_density", values.get("breast density", ""))
    lost = [name for name in (*ASKED, *PATHS) if name not in values]
    if lost:
        raise ValueError(f"no column {lost[0]}")
    if values["abnormality type"] not in PATTERNS:
        raise ValueError("abnormality type")
    laterality(values["left or right breast"])
    crop, mask = (values[name] for name in PATHS[1:])
    if not (values["patient_id"] and values["image file path"] and mask):
        raise ValueError("patient or path")
    if crop.rpartition("/")[0] != mask.rpartition("/")[0]:
        oddities.append(Oddity.MASK_APART)
    return Row(values, split, tuple(oddities))
