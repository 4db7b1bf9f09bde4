"""What a run has exported so far, run as Triton would run it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.datasets.store import Array, Gray
from triton_repo import contract
from triton_repo.contract import Members, Sizes, Step
from triton_repo.graphs import Graphs
from triton_repo.release import planned_file

# Graphs have their sizes in them; to run them takes the names of tensors alone.
_ANY = Sizes(0, 0, 0)


class Found(NamedTuple):
    """What detectors mark on one view, the best first."""

    boxes: Array  # (n, 4)
    scores: Array  # (n,)
    kinds: NDArray[np.int64]  # (n,) index into KINDS


class Search:
    """Detectors alone, before there is a classifier; one thread."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs

    def __call__(self, picture: Gray) -> Found:
        """The marks on a prepared view (h, w)."""
        known = self._graphs.tensors(np.ascontiguousarray(picture)[None])
        n = int(known["count"][0])
        return Found(
            known["boxes"][:n].astype(np.float64),
            known["detection"][:n].astype(np.float64),
            known["kind"][:n].astype(np.int64),
        )


def files(out: Path, members: Members) -> dict[str, Path]:
    """The ONNX file of each model of the ensemble, by name."""
    return {step.model.name: graph(out, step.model.name) for step in contract.steps(_ANY, members)}


def graph(out: Path, name: str) -> Path:
    """Where a run leaves the graph of a model."""
    return out / f"{name}.onnx"


def planned(out: Path, name: str) -> Path:
    """Where a run leaves the graph that TensorRT's plan is built from."""
    return planned_file(out, name)


def ensemble(out: Path, members: Members) -> Graphs:
    """All of it."""
    return Graphs(contract.steps(_ANY, members), files(out, members))


def for_gpus(out: Path, members: Members) -> Graphs:
    """All of it from the graphs that TensorRT's plans are built from."""
    return Graphs(
        contract.steps(_ANY, members), {name: planned(out, name) for name in files(out, members)}
    )


def search(out: Path, detectors: tuple[str, ...]) -> Search:
    """Some detectors, and what makes them one."""
    return Search(_run(out, contract.finding(_ANY, detectors)))


def unjoined(out: Path, members: Members) -> Graphs:
    """Classifiers side by side on what the detectors find: `lesion_of_NAME` and so on."""
    found = contract.finding(_ANY, members.detectors)
    side_by_side = contract.judging(_ANY, members.classifiers)[:-1]
    return _run(out, (*found, *side_by_side))


def overviews(out: Path, members: Members) -> Graphs:
    """Classifiers of whole views side by side: `suspicion_of_NAME`."""
    return _run(out, contract.viewing(_ANY, members.views)[: len(members.views)])


def alone(path: Path) -> Search:
    """One detector, wherever its graph lies."""
    (step,) = contract.finding(_ANY, ("one",))
    return Search(Graphs([step], {"one": path}))


def _run(out: Path, steps: tuple[Step, ...]) -> Graphs:
    return Graphs(steps, {step.model.name: graph(out, step.model.name) for step in steps})
