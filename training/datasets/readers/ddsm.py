"""DDSM (Heath et al., Proc. 5th International Workshop on Digital Mammography, 2001).

A folder a case: one .ics, four films as lossless JPEG of an old codec, one .OVERLAY for each film
on which something was marked. Files may be gzipped. Outlines are generous, for finding, not for
measuring. The outer outline of an abnormality counts; further ones are cores inside it.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Outline, clipped
from training.datasets.readers.ddsm_case import Case, parse_case, read_text
from training.datasets.readers.ddsm_overlay import Abnormality, OverlayError, parse_overlay
from training.datasets.readers.ddsm_pixels import (
    BITS,
    CALIBRATED,
    ENCODED,
    GZIPPED,
    RAW,
    SPACING,
    encoded_size,
)
from training.datasets.readers.files import unlisted
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

NAME = "ddsm"
STORED = (RAW, ENCODED, GZIPPED)  # decoded, as handed out, as some mirrors keep it
PATTERNS = {"MASS": Pattern.MASS, "CALCIFICATION": Pattern.CALCIFICATION}
PATHOLOGY = {
    "MALIGNANT": Label.MALIGNANT,
    "BENIGN": Label.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Label.BENIGN,  # without biopsy
}


def recognises(folder: Path) -> bool:
    """Whether there is a case, however deep."""
    return next(_cases(folder), None) is not None


def _cases(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name.endswith((".ics", ".ics.gz")))


def read(folder: Path) -> Collection:
    """Every film that an .ics names, case by case."""
    records: list[Record] = []
    problems: list[Problem] = []
    named: list[Path] = []
    paths = sorted(_cases(folder))
    if not paths:
        raise DatasetError(f"{folder} holds no case of DDSM: no .ics file.")
    for path in paths:
        where = path.relative_to(folder).as_posix()
        try:
            case = parse_case(read_text(path))
        except (OSError, EOFError, ValueError, zlib.error):
            problems.append(Problem(Oddity.ROW_BROKEN, where, "no .ics of DDSM"))
            continue
        if case.broken or len(case.films) != 4:
            detail = f"{len(case.films)} films, {case.broken} lines that are none"
            problems.append(Problem(Oddity.COUNT_DIFFERS, where, detail))
        for film in case.films:
            record, broken = _record(path.parent, case, film)
            records.append(record)
            problems += broken
            named += [path.parent / f"{record.image}{suffix}" for suffix in STORED]
    problems += unlisted(folder, named, {".ljpeg", ".1"})
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _record(folder: Path, case: Case, film: re.Match[str]) -> tuple[Record, list[Problem]]:
    oddities: list[Oddity] = []
    side, view, lines, columns, bits, resolution, overlay = film.groups()
    image = f"{case.name.replace('-', '_')}.{side}_{view}"  # dashes in the .ics, underscores here
    size = (int(lines), int(columns))
    file = next((p for s in STORED if (p := folder / f"{image}{s}").is_file()), None)
    oddities += _stored(file, size)
    maker = case.values.get("DIGITIZER", "").partition(" ")[0].upper()
    device = f"{maker}/{case.name[0]}"
    if device not in CALIBRATED:
        oddities.append(Oddity.DEVICE_UNKNOWN)
    elif int(bits) != BITS[maker]:
        oddities.append(Oddity.BITS_UNEXPECTED)
    abnormalities, problems = _marked(folder, image, oddities, announced=overlay == "OVERLAY")
    annotations = [_annotation(one, size, oddities) for one in abnormalities]
    if len({a.label for a in annotations} - {None}) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    age = whole(case.values.get("PATIENT_AGE", ""))
    if age is None:
        oddities.append(Oddity.AGE_MISSING)
    highest = max(
        (a.birads for a in annotations if a.birads), key=lambda g: g.number or 0, default=None
    )
    silent = not annotations and overlay == "NON_OVERLAY"
    record = Record(
        image=image,
        file=file,
        data_set=NAME,
        modality=Modality.FILM,
        patient=case.name,
        laterality=laterality(side),
        view=view,
        size=size,
        native_size=size,
        spacing_um=_spacing(resolution) or SPACING.get(maker),
        study=case.values.get("DATE_OF_STUDY") or None,
        device=device,
        age=age,
        density=density(case.values.get("DENSITY", ""), DensityScale.ACR_NUMBER, oddities),
        birads=highest,
        label=Label.NORMAL if silent else worst(a.label for a in annotations if a.label),
        label_rule=LabelRule.PATHOLOGY,
        annotations=tuple(annotations),
        oddities=tuple(oddities),
    )
    return record, problems


def _stored(file: Path | None, size: tuple[int, int]) -> list[Oddity]:
    """What is odd about a film's file by its header; `size` is that of the .ics."""
    if file is None:
        return [Oddity.FILE_MISSING]
    if file.name.endswith(RAW):
        return [Oddity.SIZE_DIFFERS] * (file.stat().st_size != 2 * size[0] * size[1])
    there = encoded_size(file)
    if there is None:
        return [Oddity.FILE_NOT_DECODED]
    if there == size[::-1] and size[0] != size[1]:
        return [Oddity.SIZE_SWAPPED]
    return [Oddity.SIZE_DIFFERS] * (there != size)


def _spacing(resolution: str) -> float | None:
    try:
        return float(resolution)
    except ValueError:
        return None


def _marked(
    folder: Path, image: str, oddities: list[Oddity], *, announced: bool
) -> tuple[tuple[Abnormality, ...], list[Problem]]:
    """The abnormalities of a film's overlay, and what is broken about it."""
    path = next(
        (p for s in (".OVERLAY", ".OVERLAY.gz") if (p := folder / f"{image}{s}").is_file()), None
    )
    if path is None:
        oddities += [Oddity.OVERLAY_MISSING] * announced
        return (), []
    if not announced:
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


def _annotation(one: Abnormality, size: tuple[int, int], oddities: list[Oddity]) -> Annotation:
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
        place, cut = clipped(one.outlines[0], size)
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


READER = Reader(
    NAME,
    "DDSM",
    recognises,
    read,
    (
        Published(
            "cases",
            2620,
            lambda c: len(c.patients),
            "DDSM's README and the survey; one mirror held 2602",
        ),
        Published(
            "films", 10480, lambda c: len(c.records), "survey, table 1: four times the cases"
        ),
    ),
    notes=(
        "The digitiser goes with the label: no benign case was read by DBA. Keep it in the strata.",
        "CBIS-DDSM and mini-DDSM are the same films: never train on one and test on the other.",
    ),
)
