"""Prepared views on disk: one memory-mapped array of pictures and one JSON of what is on them.

Written once, read by training and evaluation. A store that was not finished is no store.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from mammo.codes import Kind
from mammo.prepare import Preparation
from training.datasets.record import Lesion, Split

Gray = NDArray[np.uint8]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """What is on a prepared picture; boxes are in prepared pixels."""

    source: str
    name: str
    patient: str
    laterality: str
    view: str
    split: Split
    malignant: bool
    lesions: tuple[Lesion, ...]
    ignored: tuple[tuple[float, float, float, float], ...]
    kinds: tuple[Kind, ...]  # of which all lesions are marked

    @property
    def boxes(self) -> Array:
        """The lesions' boxes, (n, 4)."""
        return np.array([lesion.box for lesion in self.lesions], np.float64).reshape(-1, 4)

    @property
    def breast(self) -> str:
        """Names the breast, so that its views can be put together."""
        return f"{self.source}/{self.patient}/{self.laterality}"


class Pictures(Protocol):
    """Pictures by number, uint8 (height, width) each."""

    def __getitem__(self, index: int, /) -> Gray: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Store:
    """Pictures and, in the same order, what is on them."""

    views: Sequence[View]
    pictures: Pictures

    def where(self, split: Split) -> list[int]:
        """The numbers of the views of a split."""
        return [i for i, view in enumerate(self.views) if view.split is split]


def write(
    folder: Path, items: Iterable[tuple[Gray, View]], count: int, preparation: Preparation
) -> None:
    """Write up to `count` pictures into `folder`, replacing what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "views.json").unlink(missing_ok=True)
    shape = (count, preparation.height, preparation.width)
    pictures = open_memmap(folder / "pictures.npy", "w+", np.uint8, shape)
    views = []
    for index, (picture, view) in enumerate(items):
        pictures[index] = picture
        views.append(asdict(view))
    pictures.flush()
    text = json.dumps({"preparation": asdict(preparation), "views": views})
    (folder / "views.json").write_text(text)  # last: its presence says that all is there


def open_store(folder: Path, preparation: Preparation) -> Store | None:
    """The store in `folder`; None if it is missing, unfinished or was prepared otherwise."""
    path = folder / "views.json"
    if not path.is_file():
        return None
    stored = json.loads(path.read_text())
    if stored["preparation"] != asdict(preparation):
        return None
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    return Store([_view(row) for row in stored["views"]], pictures)


def _view(row: dict[str, Any]) -> View:
    lesions = tuple(
        Lesion(
            tuple(one["box"]),
            Kind(one["kind"]),
            one["malignant"],
            one["detectability"],
            tuple((x, y) for x, y in one["specks"]),
        )
        for one in row["lesions"]
    )
    return View(
        source=row["source"],
        name=row["name"],
        patient=row["patient"],
        laterality=row["laterality"],
        view=row["view"],
        split=Split(row["split"]),
        malignant=row["malignant"],
        lesions=lesions,
        ignored=tuple(tuple(box) for box in row["ignored"]),
        kinds=tuple(Kind(kind) for kind in row["kinds"]),
    )
