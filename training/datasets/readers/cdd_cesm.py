"""CDD-CESM (Khaled et al., Scientific Data 9, 2022): contrast-enhanced pairs, as handed out.

A spreadsheet with a row an image, VIA regions in a CSV, JPEGs of no fixed size. Regions have no
class; they take the image's label. The low-energy ("DM") image of a pair looks like a digital
mammogram, the subtracted one ("CM" in names, "CESM" in the sheet) does not.
"""

import csv
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.datasets.collection import Collection, DatasetError, Published, Reader
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import (
    Circle,
    Outline,
    clipped,
    ellipse,
    polygon_or_disc,
)
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.sheets import rows_of
from training.datasets.readers.values import birads, density, laterality, whole
from training.datasets.record import (
    Annotation,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
)

NAME = "cdd-cesm-original"
SHEET = "*annotations*.xlsx"
REGIONS = "*segmentations*.csv"
NAMED = re.compile(r"(P\d+)_([LR])_(DM|CM)_(CC|MLO)(_?2)?")
LABELS = {"normal": Label.NORMAL, "benign": Label.BENIGN, "malignant": Label.MALIGNANT}
MODALITIES = {"DM": Modality.LOW_ENERGY, "CM": Modality.SUBTRACTED, "CESM": Modality.SUBTRACTED}


def recognises(folder: Path) -> bool:
    """Whether the spreadsheet and the regions are there."""
    return any(folder.glob(SHEET)) and any(folder.glob(REGIONS))


def read(folder: Path) -> Collection:
    """Every row of the sheet `all`, in its order."""
    sheet = min(folder.glob(SHEET), default=None)
    table = min(folder.glob(REGIONS), default=None)
    if sheet is None or table is None:
        raise DatasetError(f"{folder} needs the annotations' .xlsx and the segmentations' .csv.")
    regions, problems = _regions(table)
    files = {path.stem.strip(): path for path in sorted(folder.rglob("*.jpg"))}
    rows: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows_of(sheet, "all"), 2):
        name = row.get("Image_name", "").strip()
        if name in rows:
            problems.append(Problem(Oddity.ROW_REPEATED, f"{sheet.name}:{number}", name))
        elif not NAMED.fullmatch(name):
            problems.append(Problem(Oddity.FOOTNOTE_ROW, f"{sheet.name}:{number}"))
        else:
            rows[name] = row
    records = []
    for name, row in rows.items():
        try:
            partner = rows.get(_partner(name))
            records.append(_record(folder, row, regions.get(name, []), files.get(name), partner))
        except (KeyError, ValueError):
            problems.append(Problem(Oddity.ROW_BROKEN, name))
    problems += [
        Problem(Oddity.ROW_BROKEN, f"{table.name}: {name}", "regions of an image that no row names")
        for name in regions
        if name not in rows
    ]
    problems += unlisted(folder, [record.file for record in records if record.file])
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _partner(name: str) -> str:
    """The other image of a pair."""
    return name.replace("_DM_", "_CM_") if "_DM_" in name else name.replace("_CM_", "_DM_")


def _regions(table: Path) -> tuple[dict[str, list[dict[str, Any]]], list[Problem]]:
    """VIA's shapes by image, and rows that hold none."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    problems = []
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                shape = json.loads(row["region_shape_attributes"])
                if not isinstance(shape, dict):
                    problems.append(Problem(Oddity.ROW_BROKEN, f"{table.name}:{number}"))
                elif shape:  # VIA writes {} for an image without regions
                    found[row["#filename"].strip().rpartition(".")[0].strip()].append(shape)
            except (KeyError, ValueError, TypeError, AttributeError):
                problems.append(Problem(Oddity.ROW_BROKEN, f"{table.name}:{number}"))
    return found, problems


def outline(shape: dict[str, Any], oddities: list[Oddity]) -> Outline:
    """A VIA region. Raises KeyError, ValueError or TypeError for what is none."""
    match shape["name"]:
        case "polygon" | "polyline" as name:
            if name == "polyline":
                oddities.append(Oddity.POLYLINE_CLOSED)
            points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
            drawn, disc = polygon_or_disc([(float(x), float(y)) for x, y in points])
        case "point":
            drawn, disc = polygon_or_disc([(float(shape["cx"]), float(shape["cy"]))])
        case "circle":
            drawn, disc = Circle(float(shape["cx"]), float(shape["cy"]), float(shape["r"])), False
        case "ellipse":
            oddities.append(Oddity.SHAPE_AS_POLYGON)
            at, radii = (shape["cx"], shape["cy"]), (shape["rx"], shape["ry"])
            drawn, disc = ellipse(*map(float, (*at, *radii, shape.get("theta", 0.0)))), False
        case "rect":
            x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
            corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
            drawn, disc = polygon_or_disc(corners)
        case _:
            raise ValueError("no shape of VIA")
    if disc:
        oddities.append(Oddity.POINT_AS_DISC)
    return drawn


def _record(
    folder: Path,
    row: dict[str, str],
    regions: list[dict[str, Any]],
    path: Path | None,
    partner: dict[str, str] | None,
) -> Record:
    oddities: list[Oddity] = []
    written = row["Image_name"]
    name = written.strip()
    match = NAMED.fullmatch(name)
    if match is None:
        raise ValueError("no name of an image")
    if written != name:
        oddities.append(Oddity.NAME_TRIMMED)
    if match[5]:
        oddities.append(Oddity.REPEATED_VIEW)
    file, size = look(path or folder / f"{name}.jpg", None, oddities)
    label = _label(row)
    if partner is not None and _label(partner) is not label:
        oddities.append(Oddity.LABEL_PAIR_DIFFERS)
    lesion_label = None if label is Label.NORMAL else label
    annotations = []
    for region in regions:
        place: Outline | None
        try:
            place = outline(region, oddities)
        except (KeyError, ValueError, TypeError):
            place = None
            oddities.append(Oddity.OUTLINE_BROKEN)
        if place is not None and size is not None:
            place, cut = clipped(place, size)
            oddities += [Oddity.OUTLINE_CLIPPED] * cut
        shape = str(region.get("name", ""))
        annotations.append(Annotation(place, Pattern.UNSAID, lesion_label, written=shape))
    if annotations and label is Label.NORMAL:
        oddities.append(Oddity.MARKED_BUT_NORMAL)
    if not annotations and label is not Label.NORMAL:
        oddities.append(Oddity.UNMARKED_LESION)
    return Record(
        image=name,
        file=file,
        data_set=NAME,
        modality=MODALITIES[row["Type"].strip()],
        patient=f"P{int(float(row['Patient_ID']))}",
        laterality=laterality(row["Side"]),
        view=row["View"].strip(),
        size=size,
        native_size=size,
        device=f"machine {row['Machine']}".removesuffix(".0"),
        age=whole(row["Age"]),
        density=density(row["Breast density (ACR)"], DensityScale.ACR_LETTER, oddities),
        birads=birads(row["BIRADS"], oddities),
        label=label,
        label_rule=LabelRule.IMAGE,
        annotations=tuple(annotations),
        oddities=tuple(oddities),
    )


def _label(row: dict[str, str]) -> Label:
    return LABELS[row["Pathology Classification/ Follow up"].strip().lower()]


def _images(what: str, number: int, source: str, **wanted: object) -> Published:
    return Published(
        what,
        number,
        lambda c: sum(
            all(getattr(record, name) == value for name, value in wanted.items())
            for record in c.records
        ),
        source,
    )


COUNTED = "counted in the complete annotations"
LOW = {"modality": Modality.LOW_ENERGY}

READER = Reader(
    NAME,
    "CDD-CESM",
    recognises,
    read,
    (
        _images("images", 2006, "the paper"),
        Published("patients", 326, lambda c: len(c.patients), "the paper"),
        _images("low-energy images", 1003, COUNTED, **LOW),
        _images("low-energy, labelled N", 341, COUNTED, label=Label.NORMAL, **LOW),
        _images("low-energy, labelled B", 331, COUNTED, label=Label.BENIGN, **LOW),
        _images("low-energy, labelled M", 331, COUNTED, label=Label.MALIGNANT, **LOW),
        Published("breasts", 566, lambda c: len({r.breast for r in c.records}), COUNTED),
        Published("regions", 2971, lambda c: sum(len(r.annotations) for r in c.records), COUNTED),
        Published(
            "images with regions",
            1233,
            lambda c: sum(bool(r.annotations) for r in c.records),
            COUNTED,
        ),
    ),
    notes=(
        "Regions have no class of their own: skin thickening and whole breasts are among them.",
        "Never join the label of one image of a pair with the pixels of the other.",
    ),
)
