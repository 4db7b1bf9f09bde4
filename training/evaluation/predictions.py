"""What was found on views beside what was there: `predictions-SET.jsonl`, a JSON line an image.

Always there: `image`, `patient`, `laterality`, `malignant`, `lesions` (x0, y0, x1, y1, kind,
malignant or null, d' or null), and what was found, the best first: `boxes`, `detection`, `kind`
(0 mass, 1 calcification), `lesion`, `malignancy`. Boxes are in prepared pixels. There where it is known:
`view`, `density` (BI-RADS a to d), `manufacturer`, `age` (years), `suspicion` (of the image as a
whole, to be calibrated with the boxes), and `probability` (of the image) from a system that says
one instead of boxes with numbers to be calibrated.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mammo.codes import Kind
from training.datasets.record import Lesion, Split
from training.datasets.store import Array, View

PREFIX = "predictions-"
DIGITS = 6  # of a score: with four, ties moved an AUC by 1e-4
FULL_SIZE = "-full-size"  # phantoms drawn at full size are phantoms
Share = Annotated[float, Field(ge=0, le=1)]
Corners = tuple[float, float, float, float]


class PredictionsError(ValueError):
    """A file of predictions that cannot be read: which line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The findings of one view, the best first."""

    boxes: Array  # (n, 4), prepared pixels
    detection: Array  # (n,)
    kind: NDArray[np.int64]  # (n,)
    lesion: Array  # (n,), that it is no false alarm
    malignancy: Array  # (n,), given a lesion
    probability: float | None = None  # of malignancy, of the whole view, where a system says it
    suspicion: float | None = None  # of the view as a whole, where a network looks at it


@dataclass(frozen=True, slots=True)
class Details:
    """What else is known of a view; results are shown by each."""

    density: str | None = None  # BI-RADS a to d
    manufacturer: str | None = None
    age: int | None = None  # years


@dataclass(frozen=True, slots=True)
class Case:
    """One view and what was found on it."""

    view: View
    prediction: Prediction
    details: Details = Details()


class Row(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid")

    image: str
    patient: str
    laterality: str
    malignant: bool
    lesions: list[tuple[float, float, float, float, Kind, bool | None, float | None]]
    boxes: list[Corners]
    detection: list[Share]
    kind: list[int]
    lesion: list[Share]
    malignancy: list[Share]
    view: str | None = None
    density: str | None = None
    manufacturer: str | None = None
    age: int | None = None
    suspicion: Share | None = None
    probability: Share | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> "Row":
        found = (self.boxes, self.detection, self.kind, self.lesion, self.malignancy)
        if len({len(one) for one in found}) > 1:
            raise ValueError("boxes, detection, kind, lesion and malignancy differ in length")
        return self


def save(path: Path, cases: Iterable[Case]) -> None:
    """One JSON line an image: what was found, beside what was there."""
    with path.open("w", encoding="utf-8") as file:
        for case in cases:
            p, view = case.prediction, case.view
            row = {
                "image": view.name,
                "patient": view.patient,
                "laterality": view.laterality,
                "malignant": view.malignant,
                "lesions": [
                    [
                        *np.round(one.box, 1).tolist(),
                        one.kind,
                        one.malignant,
                        one.detectability and round(one.detectability, 2),
                    ]
                    for one in view.lesions
                ],
                "boxes": np.round(p.boxes, 1).tolist(),
                "detection": np.round(p.detection, DIGITS).tolist(),
                "kind": p.kind.tolist(),
                "lesion": np.round(p.lesion, DIGITS).tolist(),
                "malignancy": np.round(p.malignancy, DIGITS).tolist(),
            }
            known = {
                "view": view.view,
                "density": case.details.density,
                "manufacturer": case.details.manufacturer,
                "age": case.details.age,
                "suspicion": _rounded(p.suspicion),
                "probability": _rounded(p.probability),
            }
            row |= {name: value for name, value in known.items() if value is not None}
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, DIGITS)


def read(path: Path) -> list[Case]:
    """The cases of a file; raises PredictionsError for a line that is not as it should be."""
    source = path.stem.removeprefix(PREFIX).removesuffix(FULL_SIZE)
    cases: list[Case] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = Row.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = ".".join(str(part) for part in first["loc"])
                raise PredictionsError(
                    f"{path.name} line {number} is no prediction: "
                    f"{f'{place}: ' if place else ''}{first['msg']}."
                ) from None
            if row.image in seen:
                raise PredictionsError(f"{path.name} line {number} repeats the image {row.image}.")
            seen.add(row.image)
            cases.append(_case(row, source))
    if not cases:
        raise PredictionsError(f"{path.name} holds no predictions.")
    return cases


def _case(row: Row, source: str) -> Case:
    view = View(
        source=source,
        name=row.image,
        patient=row.patient,
        laterality=row.laterality,
        view=row.view or _view_in(row.image),
        split=Split.TEST,
        malignant=row.malignant,
        lesions=tuple(
            Lesion((x0, y0, x1, y1), kind, malignant, detectability)
            for x0, y0, x1, y1, kind, malignant, detectability in row.lesions
        ),
        ignored=(),
        kinds=tuple(Kind),
    )
    found = Prediction(
        np.array(row.boxes, np.float64).reshape(-1, 4),
        np.array(row.detection, np.float64),
        np.array(row.kind, np.int64),
        np.array(row.lesion, np.float64),
        np.array(row.malignancy, np.float64),
        row.probability,
        row.suspicion,
    )
    return Case(view, found, Details(row.density, row.manufacturer, row.age))


def _view_in(name: str) -> str:
    """The view that a file without the field `view` says in its images' names."""
    return next((view for view in ("MLO", "CC") if name.endswith(view)), "")
