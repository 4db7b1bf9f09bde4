"""What the folders of shared data have in common: labels.csv, lesions.jsonl, a patient split."""

import csv
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.datasets.record import Split

VALIDATION = 0.12  # of the training patients


class DatasetError(Exception):
    """A folder that does not hold what it should: which file, and what is missing."""


def labels(folder: Path) -> list[dict[str, str]]:
    """The rows of labels.csv."""
    path = folder / "labels.csv"
    if not path.is_file():
        raise DatasetError(
            f"{path} is missing: point --data at the folder that holds {folder.name}."
        )
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lesions(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of lesions.jsonl by the picture's file."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with (folder / "lesions.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found[row["file"]].append(row)
    return found


def held_back(source: str, patient: str) -> Split:
    """Train or validation, by the patient's name alone: the same whatever else is there."""
    digest = hashlib.sha256(f"{source}/{patient}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return Split.VALIDATION if share < VALIDATION else Split.TRAIN
