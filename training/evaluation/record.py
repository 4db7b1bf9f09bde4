"""The record of a run: what is left of it without checkpoints and pictures, under 1 MB.

| file | holds | |
| --- | --- | --- |
| `record.json` | configuration, seeds, and the versions that it ran on | always |
| `predictions-SET.jsonl` | what was found on each image, beside what was there | one or more |
| `calibration.json` | how scores become probabilities, and the steps of the score | for boxes |
| `figures.json` | the figures that were measured | |
| `matched-filters.jsonl` | what matched filters found on the phantoms | |
| `precision.json` | what the graphs for GPUs change, which may be FP16 | |
| `balance.json`, `card.md` | each detector's shift of calcifications; the release's card | |

Everything in `figures.json` but what names the run can be computed again from the rest.
"""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mammo.phantoms import Resolution
from mammo.scoring import Calibration
from training.datasets import phantoms
from training.datasets.record import Split
from training.evaluation import measure, predictions, rival
from training.evaluation.predictions import Case, PredictionsError

Model = TypeVar("Model", bound=BaseModel)
LIMIT = 1_000_000  # bytes: a record is committed
MADE, CALIBRATION, FIGURES = "record.json", "calibration.json", "figures.json"
BALANCE, PRECISION = "balance.json", "precision.json"
KEPT = (MADE, CALIBRATION, FIGURES, rival.FILE, BALANCE, PRECISION, "card.md")
PACKAGES = ("torch", "numpy", "opencv-python-headless", "onnxruntime")
RAISED_SCORE = 8  # the lowest score of the levels soon and urgent in a release


class RecordError(Exception):
    """A folder that is no run's record: which file, and what is wrong with it."""


class Drawn(BaseModel):
    """A set of phantoms, which can be drawn again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    studies: int
    resolution: int = Resolution.WORKING

    @property
    def drawing(self) -> phantoms.Studies:
        """As the phantoms' readers take it."""
        return phantoms.Studies(self.seed, self.studies, Split.TEST, Resolution(self.resolution))


class Made(BaseModel):
    """`record.json`."""

    model_config = ConfigDict(extra="allow")  # versions of packages, by name

    recipe: dict[str, Any]
    real_data: bool
    python: str
    phantoms: dict[str, Drawn] = {}


class Calibrated(BaseModel):
    """`calibration.json`."""

    model_config = ConfigDict(extra="allow")

    calibration: Calibration
    finding_threshold: float  # of the detector's score
    study_steps: tuple[float, ...]  # nine probabilities that cut the reference population


@dataclass(frozen=True, slots=True)
class Record:
    """A run's record, read."""

    name: str
    made: Made | None
    calibrated: Calibrated | None
    figures: Mapping[str, Any] | None
    sets: Mapping[str, list[Case]]
    matched_filters: measure.Rival | None

    @property
    def calibration(self) -> Calibration | None:
        """How scores become probabilities; None for a system that says probabilities itself."""
        return self.calibrated.calibration if self.calibrated else None

    @property
    def raised(self) -> float:
        """The probability from which a case is called positive, fixed before anything was tested.

        Where a release's score reaches 8 (levels soon and urgent); 0.5 without such steps.
        """
        steps = self.calibrated.study_steps if self.calibrated else ()
        return steps[RAISED_SCORE - 2] if len(steps) == 9 else 0.5

    def drawn(self, name: str) -> phantoms.Studies | None:
        """The phantoms of a set; those of records without a note of it are the tested seeds'."""
        if not self.made:
            return None
        noted = self.made.phantoms or tested(self.made.recipe)
        return noted[name].drawing if name in noted else None


def tested(recipe: Mapping[str, Any]) -> dict[str, Drawn]:
    """The phantoms that a recipe is measured on."""
    plan = recipe.get("phantoms", {})
    seed = phantoms.TEST_SEED
    found = {}
    if "test_studies" in plan:
        found[measure.PHANTOMS] = Drawn(seed=seed, studies=plan["test_studies"])
    if "test_full_size_studies" in plan:
        found[measure.FULL_SIZE] = Drawn(
            seed=seed + 1, studies=plan["test_full_size_studies"], resolution=Resolution.FULL
        )
    return found


def describe(recipe: Mapping[str, Any], *, real_data: bool) -> dict[str, Any]:
    """What `record.json` says: what the run depended on, for whoever wants to run it again."""
    return {
        "recipe": dict(recipe),
        "real_data": real_data,
        "phantoms": {name: one.model_dump() for name, one in tested(recipe).items()},
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def keep(run: Path, folder: Path) -> None:
    """Copy a run's record to where it is committed; raises RecordError if it is no small folder."""
    found = [run / name for name in KEPT if (run / name).is_file()]
    found += sorted(run.glob(f"{predictions.PREFIX}*.jsonl"))
    size = sum(path.stat().st_size for path in found)
    if size > LIMIT:
        raise RecordError(
            f"The record of {run} takes {size / 1e6:.1f} MB, at most 1 is committed: "
            "predict on fewer images, or keep fewer boxes of each."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in found:
        shutil.copy(path, folder / path.name)


def read(folder: Path) -> Record:
    """The record in a folder; raises RecordError, one sentence that names the file."""
    paths = sorted(folder.glob(f"{predictions.PREFIX}*.jsonl")) if folder.is_dir() else []
    if not paths:
        raise RecordError(
            f"{folder} holds no predictions-*.jsonl: give the folder of a finished run, or of a "
            "record such as training/results/NAME."
        )
    try:
        sets = {
            path.stem.removeprefix(predictions.PREFIX): predictions.read(path) for path in paths
        }
        beside = folder / rival.FILE
        seen = rival.read(beside) if beside.is_file() else None
    except PredictionsError as error:
        raise RecordError(f"{folder}: {error}") from None
    figures = _json(folder / FIGURES)
    return Record(
        name=folder.resolve().name,
        made=_model(Made, folder / MADE),
        calibrated=_model(Calibrated, folder / CALIBRATION),
        figures=figures if isinstance(figures, dict) else None,
        sets=sets,
        matched_filters=seen,
    )


def _model(model: type[Model], path: Path) -> Model | None:
    content = _json(path)
    if content is None:
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{path}: {place}: {first['msg']}.") from None


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise RecordError(f"{path} is no JSON.") from None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
