"""Matched filters on a record's phantoms: `python -m training.observe RECORD`.

Needs no network and no torch, and some twenty minutes of a core. The order of images is that of
the record's predictions; what was drawn must be what these were made on.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from mammo.prepare import Preparation
from training.datasets.phantoms import Studies
from training.datasets.store import Array
from training.evaluation import measure, record, rival
from training.evaluation.froc import Outcome
from training.evaluation.record import RecordError

Seen = dict[str, tuple[list[list[float]], Outcome]]  # an image's lesions, and what was found


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.observe", description=__doc__)
    parser.add_argument("record", type=Path, help="folder of a run or of its record")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    try:
        rival.save(given.record / rival.FILE, observed(given.record, given.processes))
    except RecordError as error:
        parser.error(str(error))


def observed(folder: Path, processes: int = 1) -> dict[str, Outcome]:
    """The outcomes by image; raises RecordError where the phantoms cannot be drawn as they were."""
    found = record.read(folder)
    studies = found.drawn(measure.PHANTOMS)
    if studies is None or measure.PHANTOMS not in found.sets:
        raise RecordError(f"{folder} names no phantoms: record.json must say their seed.")
    parts = [replace(studies, part=(first, processes)) for first in range(processes)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        seen: Seen = {}
        for part in pool.map(_part, parts):
            seen |= part
    outcomes = {}
    for case in found.sets[measure.PHANTOMS]:
        lesions, outcome = seen.get(case.view.name, ([], None))
        if outcome is None or not _same(lesions, case.view.boxes):
            raise RecordError(
                f"{folder}: {case.view.name} is drawn differently now: use the version that made it."
            )
        outcomes[case.view.name] = outcome
    return outcomes


def _same(lesions: list[list[float]], boxes: Array) -> bool:
    """Whether lesions lie where they lay, but for how boxes are rounded."""
    now = np.array(lesions, np.float64).reshape(-1, 4)
    return now.shape == boxes.shape and bool(np.allclose(now, boxes, rtol=0, atol=0.1))


def _part(studies: Studies) -> Seen:
    cv2.setNumThreads(1)
    return {
        view.name: (view.boxes.tolist(), outcome)
        for _, view, outcome in rival.outcomes(studies, Preparation())
    }


if __name__ == "__main__":
    main()
