"""Builds a release's folder from exported graphs and the numbers of a training run."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from triton_repo import canary, configs, contract, drawn, reference
from triton_repo.contract import ENSEMBLE, ONE, Members, Sizes
from triton_repo.graphs import Graphs
from triton_repo.release import (
    CARD,
    FIGURES,
    MODELS,
    REFERENCE,
    Answer,
    Canary,
    Manifest,
    Precision,
    Reference,
    Release,
    graph_file,
    listed_files,
    load,
    planned_file,
    sha256,
    write_manifest,
)

_SERVING = Path(__file__).parent / "serving" / "model.py"


def build(
    folder: Path,
    *,
    graphs: Mapping[str, Path],
    sizes: Sizes,
    preparation: Preparation,
    calibration: Calibration,
    scale: Scale,
    finding_threshold: float,
    valid_for: tuple[SourceKind, ...],
    description: str,
    intended_use: str,
    card: str,
    members: Members = ONE,
    planned: Mapping[str, Path] | None = None,
    precision: Precision = "FP32",
    figures: Mapping[str, Any] | None = None,
) -> Release:
    """Write the release `folder` (its name is the release's) and load it back.

    `graphs` are ONNX files that keep the contract, by the names of the ensemble's models; they
    are copied, and so are `planned`, the same for TensorRT, of any batch and in `precision`.
    `figures` are what the run measured. What the graphs say of the reference views is what
    `models verify` wants to hear again. An existing folder of that name is replaced. Raises
    `ReleaseError` when the result is not whole.
    """
    shutil.rmtree(folder, ignore_errors=True)
    models = folder / MODELS
    steps = contract.steps(sizes, members)
    weights = configs.weights_digest(graphs[step.model.name] for step in steps)
    for model in (step.model for step in steps):
        served = graph_file(models, model.name)
        served.parent.mkdir(parents=True)
        shutil.copy(graphs[model.name], served)
        shutil.copy(_SERVING, served.with_name("model.py"))
    (models / ENSEMBLE / "1").mkdir(parents=True)
    shutil.copy(_SERVING, models / ENSEMBLE / "1" / "model.py")
    for name, text in configs.all_files(sizes, members, weights):
        (models / name).parent.mkdir(exist_ok=True)
        (models / name).write_text(text)
    for name, graph in (planned or {}).items():
        planned_file(folder, name).parent.mkdir(exist_ok=True)
        shutil.copy(graph, planned_file(folder, name))
    (folder / CARD).write_text(card)
    if figures is not None:
        (folder / FIGURES).write_text(json.dumps(figures, indent=1) + "\n")
    ensemble = Graphs(steps, graphs)
    (folder / REFERENCE).mkdir()
    views = {}
    for number, view in enumerate(drawn.views(preparation)):
        name = f"{REFERENCE}/{number:02}.png"
        reference.write(folder / name, view)
        views[name] = Answer.of(ensemble(view))
    manifest = Manifest(
        name=folder.name,
        description=description,
        intended_use=intended_use,
        sizes=sizes,
        members=members,
        precision=precision,
        preparation=preparation,
        calibration=calibration,
        scale=scale,
        finding_threshold=finding_threshold,
        valid_for=valid_for,
        canary=Canary.of(ensemble(canary.image(sizes))),
        reference=Reference(tolerances=reference.tolerances(finding_threshold), views=views),
        files={name: sha256(folder / name) for name in listed_files(folder)},
    )
    write_manifest(folder, manifest)
    return load(folder)
