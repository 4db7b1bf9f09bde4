"""Everything that a training run depends on, apart from the data."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from training.datasets.phantoms import Portion
from triton_repo.contract import AVERAGE, ENSEMBLE, FUSION, OVERALL, Members
from triton_repo.release import Precision

RECIPES = Path(__file__).parent / "recipes"


def _own(name: str) -> str:
    if name in (FUSION, AVERAGE, OVERALL, ENSEMBLE):
        raise ValueError(f"{name} is the name of a joint of the ensemble")
    return name


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$"), AfterValidator(_own)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
    """How one network is trained."""

    seed: NonNegativeInt
    steps: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat  # the highest of the cycle
    weight_decay: float = Field(ge=0)
    average: float = Field(ge=0, lt=1)  # share of the averaged weights that a step keeps
    backbone_share: PositiveFloat = 1.0  # of the rate, for the pretrained part
    frozen_stages: NonNegativeInt = 0  # of the backbone, counted from the picture


class Detector(Stage):
    """How a detector is trained; `design` is a key of `train_detector.DESIGNS`."""

    design: Literal["middles", "retina"]


class Classifier(Stage):
    """How a classifier is trained."""

    margin: PositiveFloat  # side of what it sees over the box's longer side


class ViewClassifier(Stage):
    """How a classifier of whole views is trained."""

    begins_with: str  # the detector whose backbone it starts from
    real: float = Field(ge=0, lt=1)  # share of real pictures, where there are any


class Shares(_Part):
    """How often a training cut comes from each source."""

    phantoms: PositiveFloat
    cbis_ddsm: PositiveFloat
    cdd_cesm: PositiveFloat

    def by_store(self) -> dict[str, float]:
        """The shares by the names of `material`'s stores."""
        return {
            "phantoms-train": self.phantoms,
            "cbis-ddsm-mass-800": self.cbis_ddsm,
            "cdd-cesm": self.cdd_cesm,
        }


class Phantoms(_Part):
    """How many phantom views each split holds."""

    train_backgrounds: PositiveInt
    train_exposures: PositiveInt
    train_lesions: PositiveInt
    unseen_backgrounds: PositiveInt
    validation_studies: PositiveInt
    test_studies: PositiveInt
    test_full_size_studies: PositiveInt
    reference_studies: PositiveInt

    @property
    def training(self) -> Portion:
        """The views that networks are trained on."""
        return Portion(self.train_backgrounds, self.train_exposures, self.train_lesions)

    @property
    def unseen(self) -> Portion:
        """More such views, each background once, that only the detector's marks are taken from."""
        return Portion(self.unseen_backgrounds, 1, self.train_lesions, self.train_backgrounds)


class Recipe(_Part):
    """A recipe file."""

    boxes: PositiveInt  # that leave the detector
    precision: Precision = "FP16"  # of the convolutions in TensorRT's graphs
    half_jpeg_2000: bool = False  # first show by `python -m benchmarks.half` that scores stay
    shares: Shares
    phantoms: Phantoms
    specks: Stage
    detectors: dict[Name, Detector] = Field(min_length=1)
    classifiers: dict[Name, Classifier] = Field(min_length=1)
    views: dict[Name, ViewClassifier] = {}

    @model_validator(mode="after")
    def _known(self) -> "Recipe":
        for name, stage in self.views.items():
            if stage.begins_with not in self.detectors:
                raise ValueError(f"{name} begins with {stage.begins_with}, which is no detector")
        return self

    @property
    def members(self) -> Members:
        """The ensemble's networks; their names are those of Triton's models."""
        return Members(tuple(self.detectors), tuple(self.classifiers), tuple(self.views))


def load(name: str) -> Recipe:
    """`recipes/{name}.toml`; raises `ValidationError`, which names every wrong key."""
    return Recipe.model_validate(tomllib.loads((RECIPES / f"{name}.toml").read_text()))
