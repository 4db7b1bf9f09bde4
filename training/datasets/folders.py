"""What the folders of shared data have in common: labels.csv, lesions.jsonl, a patient split."""

import csv
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.datasets.collection import DatasetError
from training.datasets.oddities import Oddity, Problem
from training.datasets.record import Split

__all__ = ["DatasetError", "held_back", "labels", "lesions"]

VALIDATION = 0.12  # of the training patients


def labels(folder: Path) -> list[dict[str, str]]:
    """The rows of labels.csv."""
    path = folder / "labels.csv"
    if not path.is_file():
        raise DatasetError(
            f"{path} is missing: point --data at the folder that holds {folder.name}."
        )
    try:
        with path.open(newline="", encoding="utf-8") as file:
            # A short row has None where a value is missing: an empty string, like any other.
            return [
                {key: value or "" for key, value in row.items() if isinstance(key, str)}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, csv.Error):
        raise DatasetError(f"{path} is no CSV table in UTF-8: get the file anew.") from None


def lesions(folder: Path) -> tuple[dict[str, list[dict[str, Any]]], list[Problem]]:
    """The lines of lesions.jsonl by the picture's file, and those that cannot be read."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    problems = []
    path = folder / "lesions.jsonl"
    if not path.is_file():
        raise DatasetError(f"{path} is missing: the outlines of the lesions stand there.")
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            found[row["file"]].append(row)
        except (ValueError, KeyError, TypeError):
            problems.append(Problem(Oddity.ROW_BROKEN, f"{path.name}:{number}"))
    return found, problems


def held_back(source: str, patient: str) -> Split:
    """Train or validation, by the patient's name alone: the same whatever else is there."""
    digest = hashlib.sha256(f"{source}/{patient}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return Split.VALIDATION if share < VALIDATION else Split.TRAIN
