"""The prepared views that a run trains and is measured on, made once and kept in its folder."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2

from mammo.prepare import Preparation
from training.datasets import cbis_ddsm, cdd_cesm, films, phantoms, store
from training.datasets.record import Split
from training.datasets.sample import Sample
from training.datasets.store import Gray, Store, View
from training.recipe import Recipe

T = TypeVar("T")
READERS = {module.NAME: module.read for module in (cbis_ddsm, cdd_cesm)}


@dataclass(frozen=True, slots=True)
class Material:
    """Stores by name; `phantoms-train` and `phantoms-validation` are always there."""

    stores: dict[str, Store]

    def find(self, name: str) -> Store | None:
        """The store of a data set, if the run has it."""
        return self.stores.get(name)


def make(
    folder: Path,
    recipe: Recipe,
    preparation: Preparation,
    data: Path | None,
    processes: int = 1,
) -> Material:
    """Everything but the test studies, which are drawn when they are measured.

    `data` holds the folders of real pictures; None: phantoms alone. The result does not depend on
    `processes`.
    """
    plan = recipe.phantoms
    validation = phantoms.Studies(
        phantoms.VALIDATION_SEED, plan.validation_studies, Split.VALIDATION
    )
    stores = {
        name: _kept(
            folder / name,
            lambda portion=portion: _drawn(
                partial(phantoms.training_views, portion, preparation), portion.numbers, processes
            ),
            portion.count,
            preparation,
        )
        for name, portion in (("phantoms-train", plan.training), ("phantoms-unseen", plan.unseen))
    }
    stores["phantoms-validation"] = _kept(
        folder / "phantoms-validation",
        lambda: _drawn(
            partial(without_templates, preparation=preparation), validation.each, processes
        ),
        4 * plan.validation_studies,
        preparation,
    )
    for name, read in READERS.items() if data else ():
        records: list[Sample] = read(data / name)
        stores[name] = _kept(
            folder / name,
            lambda records=records: films.prepared(records, preparation),
            len(records),
            preparation,
        )
    return Material(stores)


def without_templates(
    studies: phantoms.Studies, preparation: Preparation
) -> list[tuple[Gray, View]]:
    """The prepared views of whole studies."""
    drawn = phantoms.study_views(studies, preparation)
    return [(picture, view) for picture, view, _ in drawn]


def _drawn(
    draw: Callable[[T], list[tuple[Gray, View]]], of: Sequence[T], processes: int
) -> Iterator[tuple[Gray, View]]:
    """What `draw` makes of each, in order, by several processes."""
    if processes == 1:
        for one in of:
            yield from draw(one)
        return
    with get_context("spawn").Pool(processes, cv2.setNumThreads, (1,)) as pool:
        for views in pool.imap(draw, of, chunksize=4):
            yield from views


def _kept(
    folder: Path,
    items: Callable[[], Iterator[tuple[Gray, View]]],
    count: int,
    preparation: Preparation,
) -> Store:
    found = store.open_store(folder, preparation)
    if found is None:
        print(f"preparing {count} views in {folder.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        store.write(folder, items(), count, preparation)
        found = store.open_store(folder, preparation)
    if found is None or len(found.views) != count:
        raise ValueError(f"{folder} holds another recipe's views: use another --out.")
    return found
