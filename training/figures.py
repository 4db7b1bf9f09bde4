"""What a run measures once its graphs are exported: calibration, figures, predictions."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2

from mammo.phantoms import Resolution
from mammo.prepare import Preparation
from mammo.scoring import Calibration
from training import calibrate, measure, predict
from training.datasets import cbis_ddsm, phantoms
from training.datasets.record import Split
from training.datasets.store import Store
from training.evaluation import froc, matched_filter
from training.material import Material
from training.predict import Case
from training.recipe import Recipe
from triton_repo.graphs import Graphs

T = TypeVar("T")
ALARMS = 1.0  # false marks a validation phantom view at which a finding is reported
BANK_SEED = 11


def of_store(graphs: Graphs, held: Store, split: Split, threads: int) -> list[Case]:
    """The views of a split with what was found on them."""
    indices = held.where(split)
    found = predict.run(graphs, [held.pictures[i] for i in indices], threads)
    return [Case(held.views[i], p) for i, p in zip(indices, found, strict=True)]


def of_studies(
    out: Path, studies: phantoms.Studies, preparation: Preparation, processes: int
) -> list[Case]:
    """Whole phantom studies, drawn and searched by several processes."""
    parts = _spread(_search, out, studies, preparation, processes)
    return [case for part in parts for case in part]


def _search(out: Path, studies: phantoms.Studies, preparation: Preparation) -> list[Case]:
    graphs = _graphs(out)
    cases = []
    for picture, view, _ in phantoms.study_views(studies, preparation):
        (found,) = predict.run(graphs, [picture])
        cases.append(Case(view, found))
    return cases


def _spread(
    work: Callable[[Path, phantoms.Studies, Preparation], T],
    out: Path,
    studies: phantoms.Studies,
    preparation: Preparation,
    processes: int,
) -> list[T]:
    """`work` on each process's part of the studies."""
    parts = [replace(studies, part=(first, processes)) for first in range(processes)]
    if processes == 1:
        return [work(out, parts[0], preparation)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(work, out, part, preparation) for part in parts]
        return [done.result() for done in waiting]


def _graphs(out: Path) -> Graphs:
    cv2.setNumThreads(1)
    return Graphs(out / "detector.onnx", out / "classifier.onnx")


def calibration(
    out: Path, chosen: Recipe, made: Material, preparation: Preparation, processes: int
) -> dict[str, Any]:
    """`calibration.json`: probability, threshold and the steps of the score."""
    path = out / "calibration.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    graphs = _graphs(out)
    groups = [of_store(graphs, made.stores["phantoms-validation"], Split.VALIDATION, processes)]
    films = made.find(cbis_ddsm.NAME)
    if films:
        groups.append(of_store(graphs, films, Split.VALIDATION, processes))
    fitted = calibrate.fit(groups)
    outcomes = [measure.marked(case).outcome for case in groups[0]]
    threshold = min(max(froc.threshold_at(outcomes, ALARMS), 0.01), 0.99)
    population = phantoms.Studies(
        phantoms.REFERENCE_SEED, chosen.phantoms.reference_studies, Split.VALIDATION
    )
    cases = of_studies(out, population, preparation, processes)
    scores = [p for _, p in calibrate.by_group(cases, fitted, breast=False).values()]
    result = {
        "calibration": asdict(fitted),
        "finding_threshold": round(threshold, 4),
        "study_steps": calibrate.steps(scores),
        "reference": {
            "studies": chosen.phantoms.reference_studies,
            "seed": phantoms.REFERENCE_SEED,
            "what": "phantom studies: 45% malignant, 25% benign, 30% normal",
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
    """`figures.json`, and `predictions-*.jsonl` from which it can be computed again."""
    path = out / "figures.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    fitted = Calibration(**adjusted["calibration"])
    tested = phantoms.Studies(phantoms.TEST_SEED, chosen.phantoms.test_studies, Split.TEST)
    parts = _spread(_beside_matched_filter, out, tested, preparation, processes)
    cases = [case for part, _ in parts for case in part]
    rival = [marked for _, part in parts for marked in part]
    marks = [measure.marked(case) for case in cases]
    full = phantoms.Studies(
        phantoms.TEST_SEED + 1, chosen.phantoms.test_full_size_studies, Split.TEST, Resolution.FULL
    )
    big = of_studies(out, full, preparation, processes)
    result = {
        "command": command,
        "phantoms": measure.sensitivity(marks),
        "phantoms_by_detectability": measure.by_strength(marks, rival),
        "phantoms_by_kind": measure.by_kind(cases),
        "phantoms_full_size": measure.sensitivity([measure.marked(case) for case in big]),
        "phantoms_breasts": measure.discrimination(cases, fitted, breast=True),
        "phantoms_studies": measure.discrimination(cases, fitted, breast=False),
        "reference": adjusted["reference"],
    }
    predict.save(out / "predictions-phantoms.jsonl", cases)
    predict.save(out / "predictions-phantoms-full-size.jsonl", big)
    films = made.find(cbis_ddsm.NAME)
    if films:
        seen = of_store(_graphs(out), films, Split.TEST, processes)
        result["cbis_ddsm_test"] = measure.sensitivity([measure.marked(case) for case in seen])
        result["cbis_ddsm_test"]["breasts"] = measure.discrimination(seen, fitted, breast=True)
        predict.save(out / f"predictions-{cbis_ddsm.NAME}.jsonl", seen)
    path.write_text(json.dumps(result, indent=1))
    return result


def _beside_matched_filter(
    out: Path, studies: phantoms.Studies, preparation: Preparation
) -> tuple[list[Case], list[measure.Marked]]:
    """The release's findings and the matched filters', on the same views."""
    graphs = _graphs(out)
    known = [(t, matched_filter.transform(t)) for t in matched_filter.bank(BANK_SEED)]
    cases, rival = [], []
    for number, (picture, view, own) in enumerate(phantoms.study_views(studies, preparation)):
        (found,) = predict.run(graphs, [picture])
        case = Case(view, found)
        bank = known + [(t, matched_filter.transform(t)) for t in own]
        boxes, scores = matched_filter.marks(picture, bank)
        marks = froc.Image(view.patient, boxes, scores, view.boxes)
        cases.append(case)
        rival.append(measure.with_strength(case, froc.outcome(marks)))
        if number % 40 == 39:
            print(f"matched filters: {number + 1} views", flush=True)
    return cases, rival
