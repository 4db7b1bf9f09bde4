"""What a run measures once its graphs are exported: calibration, figures, predictions."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2

from mammo.prepare import Preparation
from training import calibrate, exported, predict
from training.datasets import cbis_ddsm, phantoms
from training.datasets.record import Split
from training.datasets.store import Store
from training.evaluation import details, froc, measure, predictions, record, rival
from training.evaluation.aggregate import Unit, scored
from training.evaluation.predictions import Case
from training.material import Material
from training.recipe import Recipe
from triton_repo.contract import Members
from triton_repo.graphs import Graphs

T = TypeVar("T")
ALARMS = 1.0  # false marks a validation phantom view at which a finding is reported


def of_store(graphs: Graphs, held: Store, split: Split, threads: int) -> list[Case]:
    """The views of a split with what was found on them."""
    indices = held.where(split)
    found = predict.run(graphs, [held.pictures[i] for i in indices], threads)
    return [Case(held.views[i], p) for i, p in zip(indices, found, strict=True)]


def of_studies(
    out: Path,
    members: Members,
    studies: phantoms.Studies,
    preparation: Preparation,
    processes: int,
) -> list[Case]:
    """Whole phantom studies, drawn and searched by several processes."""
    parts = _spread(_search, out, members, studies, preparation, processes)
    return [case for part in parts for case in part]


def _search(
    out: Path, members: Members, studies: phantoms.Studies, preparation: Preparation
) -> list[Case]:
    graphs = _graphs(out, members)
    cases = []
    for picture, view, _ in phantoms.study_views(studies, preparation):
        (found,) = predict.run(graphs, [picture])
        cases.append(Case(view, found))
    return cases


def _spread(
    work: Callable[[Path, Members, phantoms.Studies, Preparation], T],
    out: Path,
    members: Members,
    studies: phantoms.Studies,
    preparation: Preparation,
    processes: int,
) -> list[T]:
    """`work` on each process's part of the studies."""
    parts = [replace(studies, part=(first, processes)) for first in range(processes)]
    if processes == 1:
        return [work(out, members, parts[0], preparation)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(work, out, members, part, preparation) for part in parts]
        return [done.result() for done in waiting]


def _graphs(out: Path, members: Members) -> Graphs:
    cv2.setNumThreads(1)
    return exported.ensemble(out, members)


def calibration(
    out: Path, chosen: Recipe, made: Material, preparation: Preparation, processes: int
) -> dict[str, Any]:
    """`calibration.json`: probability, threshold and the steps of the score."""
    path = out / record.CALIBRATION
    if path.is_file():
        return dict(json.loads(path.read_text()))
    members = chosen.members
    graphs = _graphs(out, members)
    groups = [of_store(graphs, made.stores["phantoms-validation"], Split.VALIDATION, processes)]
    films = made.find(cbis_ddsm.NAME)
    if films:
        groups.append(of_store(graphs, films, Split.VALIDATION, processes))
    fitted = calibrate.fit(groups)
    outcomes = [measure.outcome(case) for case in groups[0]]
    threshold = min(max(froc.threshold_at(outcomes, ALARMS), 0.01), 0.99)
    population = phantoms.Studies(
        phantoms.REFERENCE_SEED, chosen.phantoms.reference_studies, Split.VALIDATION
    )
    cases = of_studies(out, members, population, preparation, processes)
    scores = [one.probability for one in scored(cases, fitted, Unit.PATIENT)]
    result = {
        "calibration": asdict(fitted),
        "finding_threshold": round(threshold, 4),
        "study_steps": calibrate.steps(scores),
        "reference": {
            "studies": chosen.phantoms.reference_studies,
            "seed": phantoms.REFERENCE_SEED,
            "what": "phantom studies: half malignant, a quarter benign, the rest normal",
        },
    }
    path.write_text(json.dumps(result, indent=1))
    return result


def measured(
    out: Path,
    adjusted: dict[str, Any],
    chosen: Recipe,
    made: Material,
    preparation: Preparation,
    processes: int,
    command: str,
) -> dict[str, Any]:
    """`figures.json`, and the predictions from which it can be computed again."""
    path = out / record.FIGURES
    if path.is_file():
        return dict(json.loads(path.read_text()))
    members = chosen.members
    drawn = {name: one.drawing for name, one in record.tested(chosen.model_dump()).items()}
    parts = _spread(
        _beside_matched_filter, out, members, drawn[measure.PHANTOMS], preparation, processes
    )
    matched = {name: found for _, part in parts for name, found in part.items()}
    cases = {
        measure.PHANTOMS: [case for part, _ in parts for case in part],
        measure.FULL_SIZE: of_studies(
            out, members, drawn[measure.FULL_SIZE], preparation, processes
        ),
    }
    for name, studies in drawn.items():
        cases[name] = details.filled(cases[name], details.of_phantoms(studies), {})
    films = made.find(cbis_ddsm.NAME)
    if films:
        cases[measure.FILMS] = of_store(_graphs(out, members), films, Split.TEST, processes)
    for name, found in cases.items():
        predictions.save(out / f"{predictions.PREFIX}{name}.jsonl", found)
    rival.save(out / rival.FILE, matched)
    fitted = calibrate.read(adjusted["calibration"])
    result = {
        "command": command,
        **measure.figures(cases, fitted, matched),
        "reference": adjusted["reference"],
    }
    path.write_text(json.dumps(result, indent=1))
    return result


def _beside_matched_filter(
    out: Path, members: Members, studies: phantoms.Studies, preparation: Preparation
) -> tuple[list[Case], dict[str, froc.Outcome]]:
    """The release's findings and the matched filters', on the same views."""
    graphs = _graphs(out, members)
    cases, matched = [], {}
    for number, (picture, view, found) in enumerate(rival.outcomes(studies, preparation)):
        (prediction,) = predict.run(graphs, [picture])
        cases.append(Case(view, prediction))
        matched[view.name] = found
        if number % 40 == 39:
            print(f"matched filters: {number + 1} views", flush=True)
    return cases, matched
