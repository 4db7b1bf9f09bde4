"""Pictures of cases: phantoms drawn again, films prepared again, or what a run has kept of both.

A picture is only shown if the lesions drawn now lie where they were when the prediction was made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mammo.prepare import Preparation
from training.datasets import cbis_ddsm, films, phantoms
from training.datasets.record import Split
from training.datasets.store import Gray, View, open_store
from training.evaluation.predictions import Case

READERS = {cbis_ddsm.NAME: cbis_ddsm.read}
ROUNDING = 0.1  # prepared pixels, of a kept box


def pictures(
    cases: Iterable[Case],
    preparation: Preparation,
    drawn: phantoms.Studies | None,
    run: Path,
    data: Path | None,
) -> dict[str, Gray]:
    """By the view's name, of those that can be had.

    `drawn`: the phantoms that the cases are of. `run`: where a run may have kept its pictures,
    `data`: where the folders of real data sets lie.
    """
    wanted = {case.view.name: case for case in cases}
    sources = {case.view.source for case in wanted.values()}
    if drawn:
        return _true(_phantoms(wanted, drawn, preparation), wanted)
    found: dict[str, Gray] = {}
    for source in sources:
        found |= _true(_kept(wanted, run / source, preparation), wanted)
        if data and source in READERS and (data / source).is_dir():
            found |= _true(_films(wanted, source, data / source, preparation), wanted)
    return found


def _phantoms(
    wanted: Mapping[str, Case], drawn: phantoms.Studies, preparation: Preparation
) -> Iterator[tuple[Gray, View]]:
    for patient in sorted({case.view.patient for case in wanted.values()}):
        if patient.isdigit() and int(patient) < drawn.count:
            one = replace(drawn, part=(int(patient), drawn.count))
            for picture, view, _ in phantoms.study_views(one, preparation):
                yield picture, view


def _films(
    wanted: Mapping[str, Case], source: str, folder: Path, preparation: Preparation
) -> Iterator[tuple[Gray, View]]:
    samples = [one for one in READERS[source](folder) if one.record.image in wanted]
    yield from films.prepared(samples, preparation)


def _kept(
    wanted: Mapping[str, Case], folder: Path, preparation: Preparation
) -> Iterator[tuple[Gray, View]]:
    store = open_store(folder, preparation)
    if store is None:
        return
    for number in store.where(Split.TEST):
        if store.views[number].name in wanted:
            yield np.asarray(store.pictures[number]), store.views[number]


def _true(found: Iterable[tuple[Gray, View]], wanted: Mapping[str, Case]) -> dict[str, Gray]:
    return {
        view.name: picture
        for picture, view in found
        if view.name in wanted and same_lesions(view, wanted[view.name].view)
    }


def same_lesions(one: View, other: View) -> bool:
    """Whether lesions lie at the same places, but for rounding."""
    a, b = one.boxes, other.boxes
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=ROUNDING))
