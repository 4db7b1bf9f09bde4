"""mini-MIAS (Suckling et al., Excerpta Medica ICS 1069, 375-378, 1994): films at 200 micron.

`Info.txt` has one row a lesion, not a film: `REF TISSUE CLASS [SEVERITY X Y RADIUS]`, with the
origin at the bottom left. Odd numbers are right breasts, even ones left; 2k-1 and 2k are one woman.
Films lie as `mdbNNN.pgm`, or in another lossless or lossy format, in the folder or below it.
"""

import re
from collections import defaultdict
from pathlib import Path

from mammo.views import Laterality
from training.datasets.collection import Collection, DatasetError, Published, Reader, distinct
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Circle
from training.datasets.readers.files import PICTURES, look, unlisted
from training.datasets.record import (
    Annotation,
    Density,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    worst,
)

NAME = "mini-mias"
SIDE = 1024  # rows and columns of every film, by clipping or padding
SPACING = 200.0  # micron
ROW = re.compile(r"^(mdb\d{3})\s+(.*)$")  # nothing else in the file looks like it
PATTERNS = {
    "CALC": Pattern.CALCIFICATION,
    "CIRC": Pattern.MASS,  # well-defined or circumscribed
    "SPIC": Pattern.MASS,  # spiculated
    "MISC": Pattern.MASS,  # other, ill-defined
    "ARCH": Pattern.DISTORTION,
    "ASYM": Pattern.ASYMMETRY,
    "NORM": None,
}
SEVERITIES = {"B": Label.BENIGN, "M": Label.MALIGNANT}


def recognises(folder: Path) -> bool:
    """Whether there is an Info.txt that holds MIAS rows."""
    path = folder / "Info.txt"
    return path.is_file() and any(ROW.match(line) for line in _lines(path))


def read(folder: Path) -> Collection:
    """Every film that Info.txt names, in its order."""
    if not (folder / "Info.txt").is_file():
        raise DatasetError(
            f"{folder / 'Info.txt'} is missing: the labels of the films stand there."
        )
    rows: dict[str, list[list[str]]] = defaultdict(list)
    problems = []
    for number, line in enumerate(_lines(folder / "Info.txt"), 1):
        match = ROW.match(line)
        if not match:
            continue
        fields = match[2].split()
        if len(fields) < 2 or fields[0] not in "FGD" or fields[1] not in PATTERNS:
            problems.append(Problem(Oddity.ROW_BROKEN, f"Info.txt:{number}", "tissue and class"))
        elif fields in rows[match[1]]:
            problems.append(Problem(Oddity.ROW_REPEATED, f"Info.txt:{number}"))
        else:
            rows[match[1]].append(fields)
    files = {path.stem: path for path in sorted(folder.rglob("mdb*")) if path.suffix in PICTURES}
    records = tuple(_record(folder, name, rows[name], files.get(name)) for name in rows)
    problems += unlisted(folder, [record.file for record in records if record.file])
    return Collection(NAME, folder, records, tuple(problems))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="latin-1").splitlines()


def _record(folder: Path, name: str, rows: list[list[str]], path: Path | None) -> Record:
    oddities: list[Oddity] = []
    file, size = look(path or folder / f"{name}.pgm", (SIDE, SIDE), oddities)
    annotations = [_annotation(row, oddities) for row in rows if row[1] != "NORM"]
    labels = [a.label for a in annotations if a.label]
    if len(set(labels)) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    number = int(name.removeprefix("mdb"))
    return Record(
        image=name,
        file=file,
        data_set=NAME,
        modality=Modality.FILM,
        patient=f"pair{(number + 1) // 2:03d}",
        laterality=Laterality.RIGHT if number % 2 else Laterality.LEFT,
        view="MLO",
        size=size,
        native_size=(SIDE, SIDE),
        spacing_um=SPACING,
        density=Density(rows[0][0], DensityScale.MIAS),
        label=worst(labels) if annotations else Label.NORMAL,
        label_rule=LabelRule.SEVERITY,
        annotations=tuple(annotations),
        oddities=tuple(oddities),
    )


def _annotation(row: list[str], oddities: list[Oddity]) -> Annotation:
    """One row: `F CIRC B 477 133 30`; without numbers the lesion has no place."""
    outline = None
    try:
        x, y, radius = map(int, row[3:6])
        outline = Circle(float(x), float(SIDE - y), float(radius))
    except ValueError:  # nothing follows, or *NOTE 3* of calcifications all over the film
        oddities.append(Oddity.PLACE_UNKNOWN)
    label = SEVERITIES.get(row[2]) if len(row) > 2 else None
    if label is None:
        oddities.append(Oddity.PATHOLOGY_MISSING)
    return Annotation(outline, PATTERNS[row[1]] or Pattern.OTHER, label, written=row[1])


def _with_label(label: Label) -> "Published":
    numbers = {Label.NORMAL: 207, Label.BENIGN: 63, Label.MALIGNANT: 52}
    return Published(
        f"films labelled {label}",
        numbers[label],
        lambda c: sum(record.label is label for record in c.records),
        "by each film's worst row; other counts in papers are of rows",
    )


READER = Reader(
    NAME,
    "mini-MIAS",
    recognises,
    read,
    (
        Published("films", 322, lambda c: len(c.records), "survey, table 1: right"),
        Published("women", 161, lambda c: len(c.patients), "the set's README"),
        *(_with_label(label) for label in Label),
        Published(
            "rows of abnormalities",
            123,
            lambda c: sum(len(r.annotations) for r in c.records),
            "counted in the complete Info.txt; it has 330 rows",
        ),
        Published(
            "films with abnormalities",
            115,
            lambda c: distinct(r.image for r in c.records if r.annotations),
            "counted in the complete Info.txt",
        ),
        Published(
            "rows with a circle",
            119,
            lambda c: sum(a.outline is not None for r in c.records for a in r.annotations),
            "counted in the complete Info.txt",
        ),
    ),
    notes=("Research only: nothing that is shipped may be trained on it.",),
)
