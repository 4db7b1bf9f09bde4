"""What matched filters find on the phantoms, kept as the hits and false marks of each image.

`matched-filters.jsonl`, a JSON line an image: `image`, `found` (for each lesion the best score of
a mark that hits it, null if none) and `false` (the scores of the others). `python -m
training.observe RECORD` runs them on a record's phantoms again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mammo.prepare import Preparation
from training.datasets import phantoms
from training.datasets.store import Gray, View
from training.evaluation import froc, matched_filter
from training.evaluation.predictions import PredictionsError

FILE = "matched-filters.jsonl"
BANK_SEED = 11
DIGITS = 4  # of a score, which is in standard deviations


def outcomes(
    studies: phantoms.Studies, preparation: Preparation
) -> Iterator[tuple[Gray, View, froc.Outcome]]:
    """Each view of the studies with what a bank finds that holds the view's own lesions too."""
    known = [(t, matched_filter.transform(t)) for t in matched_filter.bank(BANK_SEED)]
    for picture, view, own in phantoms.study_views(studies, preparation):
        bank = known + [(t, matched_filter.transform(t)) for t in own]
        boxes, scores = matched_filter.marks(picture, bank)
        marked = froc.Image(view.patient, boxes, scores, view.boxes)
        yield picture, view, froc.outcome(marked)


def save(path: Path, found: Mapping[str, froc.Outcome]) -> None:
    """One JSON line an image."""
    with path.open("w", encoding="utf-8") as file:
        for image, one in found.items():
            best = [round(s, DIGITS) if np.isfinite(s) else None for s in one.found.tolist()]
            false = np.round(one.false, DIGITS).tolist()
            row = {"image": image, "found": best, "false": false}
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def read(path: Path) -> dict[str, froc.Outcome]:
    """The outcomes by image; raises PredictionsError for a line that is not as it should be."""
    found: dict[str, froc.Outcome] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                best = [-np.inf if s is None else float(s) for s in row["found"]]
                false = np.array(row["false"], np.float64)
                found[str(row["image"])] = froc.Outcome(np.array(best, np.float64), false)
            except (ValueError, TypeError, KeyError):
                raise PredictionsError(
                    f"{path.name} line {number} is no outcome of matched filters."
                ) from None
    return found
