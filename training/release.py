"""From nothing to a release: `python -m training.release --data DIR|none --out RUN [--quick]`.

Phantoms and films are prepared, detectors and classifiers trained, scores calibrated,
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
    exported,
    figures,
    joints,
    material,
    mining,
    recipe,
    team,
    train_classifier,
    train_detector,
    train_specks,
)
from training.datasets import cbis_ddsm
from training.datasets.folders import DatasetError
from training.datasets.record import Split
from training.evaluation import record
from training.evaluation.record import RecordError
from training.networks.fusion import Average, Fusion
from training.recipe import Recipe
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
    parser.add_argument("--recipe", default="default", help="one of training/recipes")
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
    chosen = "quick" if given.quick else given.recipe
    words = ["--data", "DATA" if data else "none", "--out", "RUN"]
    words += ["--quick"] if given.quick else []
    words += ["--recipe", chosen] if chosen not in ("quick", "default") else []
    command = "python -m training.release " + shlex.join(words)
    try:
        release(
            given.out,
            (given.releases or given.out / "releases") / name,
            recipe_name=chosen,
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
        graphs=exported.files(out, chosen.members),
        members=chosen.members,
        sizes=_sizes(chosen, preparation),
        preparation=preparation,
        calibration=Calibration(**adjusted["calibration"]),
        scale=Scale(tuple(adjusted["study_steps"]), urgent=10, soon=8, routine=4),
        finding_threshold=adjusted["finding_threshold"],
        valid_for=(SourceKind.FFDM, SourceKind.FILM),
        description="Lesion detector and classifier, trained on phantoms"
        + (", CBIS-DDSM and CDD-CESM" if data else " alone"),
        intended_use=INTENDED,
        card=text,
        figures=found,
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
    """Every network and what joins them, exported as `NAME.onnx`."""
    members, sizes = chosen.members, _sizes(chosen, preparation)
    run = (out, chosen, preparation, data)
    first = np.array(made.stores["phantoms-validation"].pictures[0])
    picture = torch.from_numpy(first[None, None])
    graphs = exported.files(out, members)
    if not all(graphs[name].is_file() for name in members.detectors):
        team.together(_specks, run, processes, out)
    for name, stage in chosen.detectors.items():
        if not graphs[name].is_file():
            team.together(_detector, (*run, name), processes, out)
            _balanced(out, name, stage, made, sizes, picture, processes)
    held = [made.stores["phantoms-validation"], *filter(None, [made.find(cbis_ddsm.NAME)])]
    models = {step.model.name: step.model for step in contract.steps(sizes, members)}
    if contract.FUSION in models and not graphs[contract.FUSION].is_file():
        fusion = Fusion(joints.of_detectors(out, members, held, processes), chosen.boxes)
        export.joint_graph(fusion, models[contract.FUSION], graphs[contract.FUSION])
    for name, judge in chosen.classifiers.items():
        if not graphs[name].is_file():
            # Before there are several who would search.
            mining.pools(out, made, chosen, processes)
            team.together(_classifier, (*run, name), processes, out)
            places = exported.search(out, members.detectors)(first).boxes
            boxes = torch.zeros(1, chosen.boxes, 4)
            boxes[0, : len(places)] = torch.from_numpy(places)
            judged = train_classifier.trained(judge, out, name)
            export.classifier_graph(judged, name, sizes, picture, boxes, graphs[name])
    if contract.AVERAGE in models and not graphs[contract.AVERAGE].is_file():
        average = Average(joints.of_classifiers(out, members, held, processes))
        export.joint_graph(average, models[contract.AVERAGE], graphs[contract.AVERAGE])


def _sizes(chosen: Recipe, preparation: Preparation) -> contract.Sizes:
    return contract.Sizes(preparation.height, preparation.width, chosen.boxes)


def _balanced(
    out: Path,
    name: str,
    stage: recipe.Detector,
    made: material.Material,
    sizes: contract.Sizes,
    picture: torch.Tensor,
    processes: int,
) -> None:
    """Export a detector whose one threshold serves both kinds."""
    model = train_detector.trained(stage, out, name)
    served = train_detector.DESIGNS[stage.design].served
    raw = out / f"{name}-unbalanced.onnx"
    export.detector_graph(served(model, sizes), name, sizes, picture, raw)
    validation = made.stores["phantoms-validation"]
    indices = validation.where(Split.VALIDATION)
    moved = balance.shift(balance.search(exported.alone(raw), validation, indices, processes))
    path = out / record.BALANCE
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | {name: {"calcification": moved}}))
    model.favour(balance.CALCIFICATION, moved)
    export.detector_graph(served(model, sizes), name, sizes, picture, exported.graph(out, name))


def _specks(out: Path, chosen: Recipe, preparation: Preparation, data: Path | None) -> None:
    made = material.make(out, chosen, preparation, data)
    sources = crops.sources(made.stores, {"phantoms-train": 1.0})
    train_specks.train(sources, chosen.specks, out)


def _detector(
    out: Path, chosen: Recipe, preparation: Preparation, data: Path | None, name: str
) -> None:
    made = material.make(out, chosen, preparation, data)
    sources = crops.sources(made.stores, chosen.shares.by_store())
    train_detector.train(sources, chosen.detectors[name], out, name)


def _classifier(
    out: Path, chosen: Recipe, preparation: Preparation, data: Path | None, name: str
) -> None:
    made = material.make(out, chosen, preparation, data)
    pools = mining.pools(out, made, chosen)
    train_classifier.train(pools, chosen.classifiers[name], out, name)


if __name__ == "__main__":
    main()
