"""From nothing to a release: `python -m training.release --data DIR|none --out RUN [--quick]`.

Phantoms and films are prepared, the detector and the classifier trained, scores calibrated,
figures measured, graphs exported and the release built. Every step leaves its result in RUN;
run again after an interruption, it goes on where it was.
"""

import argparse
import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import torch

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from training import (
    balance,
    card,
    crops,
    export,
    figures,
    material,
    mining,
    recipe,
    team,
    train_classifier,
    train_detector,
    train_specks,
)
from training.datasets.folders import DatasetError
from training.datasets.record import Split
from training.evaluation import record
from training.evaluation.record import RecordError
from training.recipe import Recipe
from training.search import Search
from triton_repo import build, contract

INTENDED = (
    "Research and demonstration: orders phantom and public mammograms. "
    "Not for clinical use, not a medical device."
)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.release", description=__doc__)
    parser.add_argument("--data", default="none", help="folder of the real data sets, or none")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--quick", action="store_true", help="tiny data: that all of it works")
    parser.add_argument("--name", help="of the release; else the run's folder's")
    parser.add_argument("--releases", type=Path, help="where the release is built; else in the run")
    parser.add_argument("--record", type=Path, help="where the run's record is copied to")
    parser.add_argument("--processes", type=int, default=2, help="that train together")
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    data = None if given.data.lower() == "none" else Path(given.data)
    name = given.name or given.out.resolve().name
    command = "python -m training.release " + shlex.join(
        [
            "--data",
            "DATA" if data else "none",
            "--out",
            "RUN",
            *(["--quick"] if given.quick else []),
        ]
    )
    try:
        release(
            given.out,
            (given.releases or given.out / "releases") / name,
            recipe_name="quick" if given.quick else "default",
            data=data,
            command=command,
            processes=given.processes,
        )
        if given.record:
            record.keep(given.out, given.record)
    except (DatasetError, RecordError) as error:
        parser.error(str(error))


def release(
    out: Path,
    target: Path,
    *,
    recipe_name: str,
    data: Path | None,
    command: str,
    processes: int,
) -> None:
    """All steps; the release is built in the folder `target`."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = recipe.load(recipe_name)
    preparation = Preparation(half_jpeg_2000=chosen.half_jpeg_2000)
    made = material.make(out, chosen, preparation, data, processes)
    trained(out, chosen, made, preparation, data, processes)
    adjusted = figures.calibration(out, chosen, made, preparation, processes)
    found = figures.measured(out, adjusted, chosen, made, preparation, processes, command)
    text = card.text(target.name, found, real=data is not None)
    (out / "card.md").write_text(text)
    made_of = record.describe(chosen.model_dump(mode="json"), real_data=data is not None)
    (out / record.MADE).write_text(json.dumps(made_of, indent=1))
    build.build(
        target,
        detector=out / "detector.onnx",
        classifier=out / "classifier.onnx",
        sizes=contract.Sizes(preparation.height, preparation.width, chosen.boxes),
        preparation=preparation,
        calibration=Calibration(**adjusted["calibration"]),
        scale=Scale(tuple(adjusted["study_steps"]), urgent=10, soon=8, routine=4),
        finding_threshold=adjusted["finding_threshold"],
        valid_for=(SourceKind.FFDM, SourceKind.FILM),
        description="Lesion detector and classifier, trained on phantoms"
        + (", CBIS-DDSM and CDD-CESM" if data else " alone"),
        intended_use=INTENDED,
        card=text,
    )
    print(f"built {target}", flush=True)


def trained(
    out: Path,
    chosen: Recipe,
    made: material.Material,
    preparation: Preparation,
    data: Path | None,
    processes: int,
) -> None:
    """Both networks, exported as `detector.onnx` and `classifier.onnx`."""
    sizes = contract.Sizes(preparation.height, preparation.width, chosen.boxes)
    finding, judging = out / "detector.onnx", out / "classifier.onnx"
    first = np.array(made.stores["phantoms-validation"].pictures[0])
    picture = torch.from_numpy(first[None, None])
    if not finding.is_file():
        team.together(_specks, (out, chosen, preparation, data), processes, out)
        team.together(_detector, (out, chosen, preparation, data), processes, out)
        model = train_detector.trained(out)
        raw = out / "detector-unbalanced.onnx"
        export.detector_graph(model, sizes, picture, raw)
        validation = made.stores["phantoms-validation"]
        indices = validation.where(Split.VALIDATION)
        moved = balance.shift(balance.search(Search(raw), validation, indices, processes))
        (out / "balance.json").write_text(json.dumps({"calcification": moved}))
        model.favour(balance.CALCIFICATION, moved)
        export.detector_graph(model, sizes, picture, finding)
    if not judging.is_file():
        # Before there are several who would search.
        mining.pools(out, finding, made, chosen, processes)
        team.together(_classifier, (out, chosen, preparation, data), processes, out)
        judged = train_classifier.trained(out)
        export.classifier_graph(judged, sizes, picture, finding, judging)


def _specks(out: Path, chosen: Recipe, preparation: Preparation, data: Path | None) -> None:
    made = material.make(out, chosen, preparation, data)
    sources = crops.sources(made.stores, {"phantoms-train": 1.0})
    train_specks.train(sources, chosen.specks, out)


def _detector(out: Path, chosen: Recipe, preparation: Preparation, data: Path | None) -> None:
    made = material.make(out, chosen, preparation, data)
    sources = crops.sources(made.stores, chosen.shares.by_store())
    train_detector.train(sources, chosen.detector, out)


def _classifier(out: Path, chosen: Recipe, preparation: Preparation, data: Path | None) -> None:
    made = material.make(out, chosen, preparation, data)
    pools = mining.pools(out, out / "detector.onnx", made, chosen)
    train_classifier.train(pools, chosen.classifier, out)


if __name__ == "__main__":
    main()
