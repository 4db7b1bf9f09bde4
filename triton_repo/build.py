"""Builds a release's folder from exported graphs and the numbers of a training run."""

import shutil
from pathlib import Path

from mammo.codes import SourceKind
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from triton_repo import canary, configs, contract
from triton_repo.contract import CLASSIFIER, DETECTOR, ENSEMBLE, Sizes
from triton_repo.graphs import Graphs
from triton_repo.release import (
    CARD,
    MODELS,
    Canary,
    Manifest,
    Release,
    listed_files,
    load,
    sha256,
    write_manifest,
)

_SERVING = Path(__file__).parent / "serving" / "model.py"


def build(
    folder: Path,
    *,
    detector: Path,
    classifier: Path,
    sizes: Sizes,
    preparation: Preparation,
    calibration: Calibration,
    scale: Scale,
    finding_threshold: float,
    valid_for: tuple[SourceKind, ...],
    description: str,
    intended_use: str,
    card: str,
) -> Release:
    """Write the release `folder` (its name is the release's) and load it back.

    `detector` and `classifier` are ONNX files that keep the contract; they are copied. An
    existing folder of that name is replaced. Raises `ReleaseError` when the result is not
    whole.
    """
    shutil.rmtree(folder, ignore_errors=True)
    models = folder / MODELS
    weights = configs.weights_digest(detector, classifier)
    graphs = {
        DETECTOR: (contract.detector(sizes), detector),
        CLASSIFIER: (contract.classifier(sizes), classifier),
    }
    for name, (model, graph) in graphs.items():
        version = models / name / "1"
        version.mkdir(parents=True)
        shutil.copy(graph, version / "model.onnx")
        shutil.copy(_SERVING, version / "model.py")
        _write_configs(
            models / name,
            configs.of_graph(model, "cpu", weights),
            configs.of_graph(model, "tensorrt", weights),
        )
    # Triton wants a version folder for an ensemble too, and git keeps no empty one.
    (models / ENSEMBLE / "1").mkdir(parents=True)
    (models / ENSEMBLE / "1" / ".keep").touch()
    _write_configs(
        models / ENSEMBLE,
        configs.of_ensemble(sizes, "cpu", weights),
        configs.of_ensemble(sizes, "tensorrt", weights),
    )
    (folder / CARD).write_text(card)
    answer = Graphs.of(models)(canary.image(sizes))
    manifest = Manifest(
        name=folder.name,
        description=description,
        intended_use=intended_use,
        sizes=sizes,
        preparation=preparation,
        calibration=calibration,
        scale=scale,
        finding_threshold=finding_threshold,
        valid_for=valid_for,
        canary=Canary(
            count=answer.count,
            boxes=[tuple(map(float, box)) for box in answer.boxes[: answer.count]],
            detection=[float(p) for p in answer.detection[: answer.count]],
            lesion=[float(p) for p in answer.lesion[: answer.count]],
            malignancy=[float(p) for p in answer.malignancy[: answer.count]],
        ),
        files={name: sha256(folder / name) for name in listed_files(folder)},
    )
    write_manifest(folder, manifest)
    return load(folder)


def _write_configs(model: Path, cpu: str, tensorrt: str) -> None:
    """The CPU profile is the default; `--model-config-name=tensorrt` picks the other."""
    (model / "config.pbtxt").write_text(cpu)
    (model / "configs").mkdir()
    (model / "configs" / "tensorrt.pbtxt").write_text(tensorrt)
