"""From nothing to a release: `python -m training.release --data DIR|none --out RUN [--quick]`.

Phantoms and films are prepared, detectors and classifiers trained, scores calibrated,
figures measured, graphs exported and the release built. Every step leaves its result in RUN;
run again after an interruption, it goes on where it was.
"""

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Scale
from training import (
    balance,
    calibrate,
    card,
    crops,
    exported,
    figures,
    graphs,
    joints,
    material,
    mining,
    precision,
    recipe,
    served,
    team,
    train_classifier,
    train_detector,
    train_specks,
    train_views,
    wholes,
)
from training.datasets import cbis_ddsm
from training.datasets.folders import DatasetError
from training.datasets.record import Split
from training.datasets.store import Gray
from training.evaluation import record
from training.evaluation.record import RecordError
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
    fitted = calibrate.read(adjusted["calibration"])
    halves = precision.measured(out, chosen, made, fitted, processes)
    text = card.text(target.name, found, halves, real=data is not None)
    (out / "card.md").write_text(text)
    made_of = record.describe(chosen.model_dump(mode="json"), real_data=data is not None)
    (out / record.MADE).write_text(json.dumps(made_of, indent=1))
    build.build(
        target,
        graphs=exported.files(out, chosen.members),
        planned={name: exported.planned(out, name) for name in exported.files(out, chosen.members)},
        precision=chosen.precision,
        members=chosen.members,
        sizes=_sizes(chosen, preparation),
        preparation=preparation,
        calibration=fitted,
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
    """Every network and what joins them: `NAME.onnx`, and `tensorrt/NAME.onnx` for GPUs."""
    members, sizes = chosen.members, _sizes(chosen, preparation)
    run = (out, chosen, preparation, data)
    held = [made.stores["phantoms-validation"], *filter(None, [made.find(cbis_ddsm.NAME)])]
    picture = np.array(made.stores["phantoms-validation"].pictures[0])

    def learns(name: str, learn: Callable[..., None]) -> None:
        if not exported.graph(out, name).is_file():
            team.together(learn, (*run, name), processes, out)

    def exports(name: str) -> None:
        graphs.write(out, chosen, sizes, name, picture)

    def fitted(joint: str, fit: Callable[..., object]) -> None:
        path = served.joint(out, joint)
        if joint in exported.files(out, members):
            if not path.is_file():
                path.write_text(json.dumps(fit(out, members, held, processes)))
            exports(joint)

    if not all(exported.graph(out, name).is_file() for name in members.detectors):
        team.together(_specks, run, processes, out)
    for name in members.detectors:
        learns(name, _detector)
        _balance(out, chosen, sizes, name, made, picture, processes)
        exports(name)
    fitted(contract.FUSION, joints.of_detectors)
    mining.pools(out, made, chosen, processes)  # before there are several who would search
    for name in members.classifiers:
        learns(name, _classifier)
        exports(name)
    fitted(contract.AVERAGE, joints.of_classifiers)
    for name in members.views:
        learns(name, _view_classifier)
        exports(name)
    fitted(contract.OVERALL, joints.of_views)


def _sizes(chosen: Recipe, preparation: Preparation) -> contract.Sizes:
    return contract.Sizes(preparation.height, preparation.width, chosen.boxes)


def _balance(
    out: Path,
    chosen: Recipe,
    sizes: contract.Sizes,
    name: str,
    made: material.Material,
    picture: Gray,
    processes: int,
) -> None:
    """Choose how far a detector's calcifications are moved, so that one threshold serves both kinds."""
    known = served.balanced(out)
    if name in known:
        return
    raw = graphs.unbalanced(out, chosen, sizes, name, picture)
    validation = made.stores["phantoms-validation"]
    indices = validation.where(Split.VALIDATION)
    found = balance.search(exported.alone(raw), validation, indices, processes)
    chosen_shifts = known | {name: balance.shift(found)}
    told = {name: {"calcification": moved} for name, moved in chosen_shifts.items()}
    (out / record.BALANCE).write_text(json.dumps(told))


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


def _view_classifier(
    out: Path, chosen: Recipe, preparation: Preparation, data: Path | None, name: str
) -> None:
    made = material.make(out, chosen, preparation, data)
    stage = chosen.views[name]
    begun = train_detector.trained(chosen.detectors[stage.begins_with], out, stage.begins_with)
    # Of a detector's own training views it knows too much: half are views that it has not seen.
    shares = {
        "phantoms-train": (1 - stage.real) / 2,
        "phantoms-unseen": (1 - stage.real) / 2,
        cbis_ddsm.NAME: stage.real,
    }
    train_views.train(wholes.sources(made.stores, shares), stage, begun, out, name)


if __name__ == "__main__":
    main()
