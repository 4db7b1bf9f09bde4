"""A film of DDSM, as its case and its overlay tell of it, wherever its pixels lie."""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Outline, clipped, scaled
from training.datasets.readers.ddsm_case import Case, read_text
from training.datasets.readers.ddsm_overlay import Abnormality, OverlayError, parse_overlay
from training.datasets.readers.ddsm_pixels import SPACING
from training.datasets.readers.values import birads, density, laterality, whole
from training.datasets.record import (
    Annotation,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    worst,
)

PATTERNS = {"MASS": Pattern.MASS, "CALCIFICATION": Pattern.CALCIFICATION}
PATHOLOGY = {
    "MALIGNANT": Label.MALIGNANT,
    "BENIGN": Label.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Label.BENIGN,  # without biopsy
}
Size = tuple[int, int]  # rows, columns


@dataclass(frozen=True, slots=True)
class Film:
    """A line of an .ics."""

    image: str  # A_1234_1.LEFT_CC
    side: str
    view: str
    size: Size  # as digitised
    bits: int
    resolution: str
    overlay: bool  # whether one is announced


@dataclass(frozen=True, slots=True)
class Stored:
    """A film's file as a data set keeps it."""

    file: Path | None
    size: Size  # of the file, or of the film where there is none
    oddities: tuple[Oddity, ...] = ()


def films(case: Case) -> list[Film]:
    """The films of a case, in its order."""
    stem = case.name.replace("-", "_")  # dashes in the .ics, underscores here
    return [_film(stem, match) for match in case.films]


def _film(stem: str, match: re.Match[str]) -> Film:
    side, view, lines, columns, bits, resolution, overlay = match.groups()
    size = int(lines), int(columns)
    image = f"{stem}.{side}_{view}"
    return Film(image, side, view, size, int(bits), resolution, overlay == "OVERLAY")


def digitiser(case: Case) -> str:
    """Its maker in capitals; empty where none is named."""
    return case.values.get("DIGITIZER", "").partition(" ")[0].upper()


def device(case: Case) -> str:
    """Digitiser and site, such as LUMISYS/B."""
    return f"{digitiser(case)}/{case.name[0]}"


def record(
    folder: Path, case: Case, film: Film, data_set: str, stored: Stored
) -> tuple[Record, list[Problem]]:
    """The film's record, its outlines in pixels of the file, and what is broken about it."""
    oddities = list(stored.oddities)
    abnormalities, problems = _marked(folder, film, oddities)
    factor = stored.size[1] / film.size[1], stored.size[0] / film.size[0]
    annotations = [_annotation(one, stored.size, factor, oddities) for one in abnormalities]
    if len({a.label for a in annotations} - {None}) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    age = whole(case.values.get("PATIENT_AGE", ""))
    if age is None:
        oddities.append(Oddity.AGE_MISSING)
    highest = max(
        (a.birads for a in annotations if a.birads), key=lambda g: g.number or 0, default=None
    )
    silent = not annotations and not film.overlay
    made = Record(
        image=film.image,
        file=stored.file,
        data_set=data_set,
        modality=Modality.FILM,
        patient=case.name,
        laterality=laterality(film.side),
        view=film.view,
        size=stored.size,
        native_size=film.size,
        spacing_um=_spacing(case, film, factor),
        study=case.values.get("DATE_OF_STUDY") or None,
        device=device(case),
        age=age,
        density=density(case.values.get("DENSITY", ""), DensityScale.ACR_NUMBER, oddities),
        birads=highest,
        label=Label.NORMAL if silent else worst(a.label for a in annotations if a.label),
        label_rule=LabelRule.PATHOLOGY,
        annotations=tuple(annotations),
        oddities=tuple(oddities),
    )
    return made, problems


def _spacing(case: Case, film: Film, factor: tuple[float, float]) -> float | None:
    """Micron of the file's pixels; by the .ics, else by the digitiser."""
    try:
        digitised: float | None = float(film.resolution)
    except ValueError:
        digitised = SPACING.get(digitiser(case))
    return digitised and round(digitised / factor[1], 2)


def _marked(
    folder: Path, film: Film, oddities: list[Oddity]
) -> tuple[tuple[Abnormality, ...], list[Problem]]:
    """The abnormalities of a film's overlay, and what is broken about it."""
    path = next(
        (p for s in (".OVERLAY", ".OVERLAY.gz") if (p := folder / f"{film.image}{s}").is_file()),
        None,
    )
    if path is None:
        oddities += [Oddity.OVERLAY_MISSING] * film.overlay
        return (), []
    if not film.overlay:
        oddities.append(Oddity.OVERLAY_UNANNOUNCED)
    try:
        overlay = parse_overlay(read_text(path))
    except (OverlayError, OSError, EOFError, ValueError, zlib.error) as error:
        oddities.append(Oddity.OVERLAY_MISSING)
        detail = str(error) if isinstance(error, OverlayError) else ""
        return (), [Problem(Oddity.ROW_BROKEN, path.name, detail)]
    if overlay.announced != len(overlay.abnormalities):
        oddities.append(Oddity.COUNT_DIFFERS)
    return overlay.abnormalities, []


def _annotation(
    one: Abnormality, size: Size, factor: tuple[float, float], oddities: list[Oddity]
) -> Annotation:
    label = PATHOLOGY.get(one.pathology)
    if one.pathology == "UNPROVEN":
        oddities.append(Oddity.UNPROVEN)
    elif label is None:
        oddities.append(Oddity.PATHOLOGY_MISSING)
    if len({kind for kind, _ in one.types}) > 1:
        oddities.append(Oddity.KINDS_SEVERAL)
    kind = one.types[0][0] if one.types else ""
    if kind not in PATTERNS:
        oddities.append(Oddity.KIND_UNKNOWN)
    if len(one.outlines) > 1:
        oddities.append(Oddity.OUTLINES_SEVERAL)
    place: Outline | None = None
    if one.outlines:
        place, cut = clipped(scaled(one.outlines[0], *factor), size)
        oddities += [Oddity.OUTLINE_CLIPPED] * cut
    else:
        oddities.append(Oddity.OUTLINE_BROKEN if one.broken else Oddity.PLACE_UNKNOWN)
    if one.broken and one.outlines:
        oddities.append(Oddity.OUTLINE_BROKEN)
    if len(one.outlines) + one.broken != one.announced:
        oddities.append(Oddity.COUNT_DIFFERS)
    subtlety = (f"SUBTLETY {one.subtlety}",) if one.subtlety else ()
    return Annotation(
        outline=place,
        pattern=PATTERNS.get(kind, Pattern.OTHER if kind else Pattern.UNSAID),
        label=label,
        written=one.pathology,
        descriptors=(*(" ".join(part for part in pair if part) for pair in one.types), *subtlety),
        birads=birads(one.assessment, oddities),
    )
