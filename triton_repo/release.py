"""A release: the model files and every number that a job needs to use them.

A release is a folder: `manifest.json`, `card.md`, `models/`, which is Triton's model repository,
and `reference/`, views whose scores are known. The manifest names each file by its SHA-256, so
that a release is either exactly what was measured or is refused. The SHA-256 of the manifest
itself is the release's name in the database.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mammo.codes import SourceKind
from mammo.findings import RawView
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from triton_repo.contract import ONE, Members, Model, Sizes, Step, ensemble, steps

MANIFEST, CARD, MODELS = "manifest.json", "card.md", "models"
FIGURES = "figures.json"  # what was measured, as the run's record has it; older releases: none
PLANNED = "tensorrt"  # the folder of the graphs that TensorRT's plans are built from
REFERENCE = "reference"  # the folder of the views whose scores the manifest holds
DEFAULT_DIR = Path(__file__).parent / "releases"

Precision = Literal["FP32", "FP16"]
Target = Literal["cpu", "tensorrt"]
Probability = Annotated[float, Field(ge=0, le=1)]


class ReleaseError(Exception):
    """A release that must not be used: which file, and why. One sentence."""


class Answer(BaseModel):
    """What the ensemble says of a view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    boxes: list[tuple[float, float, float, float]]  # prepared pixels, the first `count`
    detection: list[Probability]
    lesion: list[Probability]
    malignancy: list[Probability]
    suspicion: Probability | None = None

    @classmethod
    def of(cls, raw: RawView) -> Self:
        """What was said, without the rows that are no boxes."""
        n = raw.count
        return cls(
            count=n,
            boxes=[tuple(map(float, box)) for box in raw.boxes[:n]],
            detection=[float(p) for p in raw.detection[:n]],
            lesion=[float(p) for p in raw.lesion[:n]],
            malignancy=[float(p) for p in raw.malignancy[:n]],
            suspicion=raw.suspicion,
        )


class Canary(Answer):
    """What the ensemble must answer to `triton_repo.canary.image`."""

    score_tolerance: float = 1e-3
    box_tolerance: float = 0.5  # prepared pixels


class Tolerance(BaseModel):
    """How far an answer may be from the right one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: float = Field(gt=0, lt=1)
    box: float = Field(gt=0)  # prepared pixels
    least: Probability = 0.0  # the detector's confidence from which a box is compared


class Reference(BaseModel):
    """Views that lie in the release, and what the ensemble must say of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerances: dict[Target, Tolerance] = {}
    views: dict[str, Answer] = {}  # by the picture's path below the release's folder


class Manifest(BaseModel):
    """Everything that a result depends on besides the image itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    intended_use: str
    sizes: Sizes
    members: Members = ONE
    precision: Precision = "FP32"  # of the convolutions in TensorRT's graphs; the CPU's are FP32
    preparation: Preparation
    calibration: Calibration
    scale: Scale
    finding_threshold: Probability  # detector's confidence from which a box is reported
    valid_for: tuple[SourceKind, ...]
    canary: Canary
    reference: Reference = Reference()
    files: dict[str, str]  # path below the release's folder: SHA-256, hex

    @model_validator(mode="after")
    def _views_are_files(self) -> Self:
        """A view that is no file of the release could be any file of the machine."""
        if self.reference.views.keys() != {n for n in self.files if n.startswith(f"{REFERENCE}/")}:
            raise ValueError(f"its reference views are not the files in {REFERENCE}/")
        return self

    @property
    def ensemble(self) -> Model:
        """What a client calls."""
        return ensemble(self.sizes, self.members)


@dataclass(frozen=True)
class Release:
    """A release whose files are what its manifest says."""

    folder: Path
    manifest: Manifest
    digest: str  # SHA-256 of manifest.json, hex

    @cached_property
    def models(self) -> Path:
        """Triton's model repository."""
        return self.folder / MODELS

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The ensemble."""
        return steps(self.manifest.sizes, self.manifest.members)

    @property
    def graphs(self) -> dict[str, Path]:
        """The ONNX file of each model, by name, in the order in which they run."""
        return {step.model.name: graph_file(self.models, step.model.name) for step in self.steps}

    @property
    def planned(self) -> dict[str, Path]:
        """The same for TensorRT, of any batch and in the manifest's precision; maybe none."""
        named = {step.model.name: planned_file(self.folder, step.model.name) for step in self.steps}
        return {name: path for name, path in named.items() if path.is_file()}


def graph_file(models: Path, name: str) -> Path:
    """Where a model repository has the graph of a model."""
    return models / name / "1" / "model.onnx"


def planned_file(folder: Path, name: str) -> Path:
    """Where a release has the graph from which a model's plan is built."""
    return folder / PLANNED / f"{name}.onnx"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed_files(folder: Path) -> list[str]:
    """Every file that the manifest has to name: all but itself.

    Links are not followed, whatever they lead to.
    """
    below = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    names = sorted(p.relative_to(folder).as_posix() for p in below)
    return [name for name in names if name != MANIFEST]


def load(folder: Path) -> Release:
    """The release in `folder`.

    Raises `ReleaseError` naming the file that is missing, added, changed or a link.
    """
    path = folder / MANIFEST
    for link in sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_symlink()):
        raise ReleaseError(f"Refused {folder.name}: {link.as_posix()} is a link, not a file.")
    try:
        text = path.read_bytes()
        manifest = Manifest.model_validate_json(text)
    except OSError:
        raise ReleaseError(
            f"There is no release in {folder}: {MANIFEST} is missing. "
            "`nightread models list` shows what there is."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f"{place}: " if place else ""
        raise ReleaseError(f"{path} is not a release's manifest: {where}{first['msg']}.") from None
    present = set(listed_files(folder))
    for name in sorted(manifest.files.keys() | present):
        if name not in manifest.files:
            raise ReleaseError(f"Refused {folder.name}: {name} is not in its manifest.")
        if name not in present or not (folder / name).is_file():
            raise ReleaseError(f"Refused {folder.name}: {name} is missing.")
        if sha256(folder / name) != manifest.files[name]:
            raise ReleaseError(f"Refused {folder.name}: {name} is not the file that was released.")
    return Release(folder, manifest, hashlib.sha256(text).hexdigest())


def names(releases_dir: Path = DEFAULT_DIR) -> list[str]:
    """The releases in a folder, newest name last: numbers in names count as numbers."""
    found = (path.parent.name for path in releases_dir.glob(f"*/{MANIFEST}"))
    return sorted(found, key=lambda name: [int(d) if d.isdigit() else d for d in _parts(name)])


def _parts(name: str) -> list[str]:
    """Text and digits in turn, so that two names compare place by place."""
    return re.split(r"(\d+)", name)


def default_name(releases_dir: Path = DEFAULT_DIR) -> str:
    """The newest release's name; raises `ReleaseError` when there is none."""
    found = names(releases_dir)
    if not found:
        raise ReleaseError(f"There is no release in {releases_dir}: build one with `make train`.")
    return found[-1]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n"
    (folder / MANIFEST).write_text(text)
