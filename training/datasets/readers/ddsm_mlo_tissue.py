"""DDSM MLO films with hand-made tissue masks (Tiryaki, Kaplanoglu, IRBM 2022).

A mask's values: 64 background, 128 adipose, 192 fibroglandular, 255 pectoral muscle. No lesion,
no label: for finding the breast and for measuring density.
"""

from pathlib import Path

from training.datasets.collection import Collection, Published, Reader
from training.datasets.folders import labels
from training.datasets.oddities import Oddity, Problem
from training.datasets.readers.files import look, size_of, unlisted
from training.datasets.readers.values import laterality
from training.datasets.record import Modality, Record

NAME = "ddsm-mlo-tissue"


def recognises(folder: Path) -> bool:
    """Whether a labels.csv has the columns of this folder."""
    path = folder / "labels.csv"
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return {"mask", "percent_density"} <= set(file.readline().strip().split(","))


def read(folder: Path) -> Collection:
    """The films, in the order of labels.csv."""
    records, problems, masks = [], [], []
    for number, row in enumerate(labels(folder), 2):
        try:
            record = _record(folder, row)
        except (KeyError, ValueError):
            problems.append(Problem(Oddity.ROW_BROKEN, f"labels.csv:{number}"))
            continue
        mask = folder / row["mask"]
        masks.append(mask)
        if not mask.is_file():
            problems.append(Problem(Oddity.MASK_MISSING, row["mask"]))
        elif size_of(mask) != record.size:
            problems.append(Problem(Oddity.MASK_BROKEN, row["mask"], "not of its film's size"))
        records.append(record)
    named = [*masks, *(record.file for record in records if record.file)]
    problems += unlisted(folder, named)
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _record(folder: Path, row: dict[str, str]) -> Record:
    oddities = [Oddity.SCALE_UNKNOWN, Oddity.DENSITY_MISSING]
    file, size = look(folder / row["file"], (int(row["height"]), int(row["width"])), oddities)
    side = laterality(row["laterality"])
    if row["chest_wall_side"] != ("right" if side == "R" else "left"):
        oddities.append(Oddity.CHEST_WALL_OTHER_SIDE)
    return Record(
        image=row["image"],
        file=file,
        data_set=NAME,
        modality=Modality.FILM,
        patient=row["patient"],
        laterality=side,
        view=row["view"],
        size=size,
        device=row["site"] or None,
        oddities=tuple(oddities),
    )


READER = Reader(
    NAME,
    "DDSM MLO films with tissue masks",
    recognises,
    read,
    (
        Published("films", 66, lambda c: len(c.records), "the folder's README"),
        Published("patients", 66, lambda c: len(c.patients), "the folder's README"),
        Published(
            "chest wall at the left edge",
            53,
            lambda c: sum(
                (Oddity.CHEST_WALL_OTHER_SIDE in r.oddities) == (r.laterality == "R")
                for r in c.records
            ),
            "the folder's README",
        ),
    ),
    notes=("No lesions and no labels: tissue masks alone.",),
)
