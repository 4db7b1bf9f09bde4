"""CBIS-DDSM as handed out: four CSVs of cases, DICOM films, crops and masks (TCIA).

Lee et al., Scientific Data 4:170177, 2017. A row is a lesion on one view; a film that has masses
and calcifications lies in two folders. PatientID in the DICOM files is a folder's name: a patient
is the `P_nnnnn` inside it. There are no normals.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from training.datasets.collection import Collection, DatasetError, Published, Reader, distinct
from training.datasets.oddities import Oddity, Problem
from training.datasets.outlines import Mask
from training.datasets.readers import cbis_ddsm_files
from training.datasets.readers.cbis_ddsm_tables import PATHS, PATTERNS, Row, parse_row, rows_of
from training.datasets.readers.files import look, unlisted
from training.datasets.readers.values import birads, density, laterality
from training.datasets.record import (
    Annotation,
    BiRads,
    DensityScale,
    Label,
    LabelRule,
    Modality,
    Pattern,
    Record,
    Split,
    worst,
)

NAME = "cbis-ddsm"
TABLES = "*_case_description_*_set.csv"
PATHOLOGY = {
    "MALIGNANT": Label.MALIGNANT,
    "BENIGN": Label.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Label.BENIGN,
}
DESCRIPTORS = ("mass shape", "mass margins", "calc type", "calc distribution")


def recognises(folder: Path) -> bool:
    """Whether the official tables are there."""
    return bool(_tables(folder))


def _tables(folder: Path) -> list[Path]:
    return sorted([*folder.glob(TABLES), *folder.glob(f"*/{TABLES}")])


def read(folder: Path) -> Collection:
    """Every film that the tables name, once, by patient, side and view."""
    tables = _tables(folder)
    if not tables:
        raise DatasetError(f"{folder} holds none of the tables {TABLES}.")
    by_view: dict[str, list[Row]] = defaultdict(list)
    problems: list[Problem] = []
    seen: set[tuple[str, ...]] = set()
    for table in tables:
        for number, row in enumerate(rows_of(table), 1):
            where = f"{table.name}, row {number}"
            try:
                parsed = parse_row(row, Split.TEST if "_test_" in table.name else Split.TRAIN)
                key = (parsed.film, parsed.lesion)
                if key in seen:
                    problems.append(Problem(Oddity.ROW_REPEATED, where, parsed.lesion))
                else:
                    seen.add(key)
                    by_view[parsed.view].append(parsed)
            except (KeyError, ValueError) as error:
                problems.append(Problem(Oddity.ROW_BROKEN, where, str(error)[:80]))
    files = cbis_ddsm_files.index(folder)
    leaking = _leaking(row for rows in by_view.values() for row in rows)
    records = []
    taken: set[Path] = set()
    for rows in by_view.values():
        record, used = _record(folder, rows, files, leaking)
        records.append(record)
        taken |= used
    problems += unlisted(folder, taken, {".dcm"})
    return Collection(NAME, folder, tuple(records), tuple(problems))


def _leaking(rows: Iterable[Row]) -> frozenset[str]:
    """Patients in training and test once masses and calcifications are put together."""
    sides: dict[str, set[Split]] = defaultdict(set)
    for row in rows:
        sides[row.values["patient_id"]].add(row.split)
    return frozenset(patient for patient, splits in sides.items() if len(splits) > 1)


def _record(
    folder: Path, rows: list[Row], files: cbis_ddsm_files.Index, leaking: frozenset[str]
) -> tuple[Record, set[Path]]:
    """A film with all its lesions, and the files that it takes."""
    first = rows[0]
    oddities = [code for row in rows for code in row.oddities]
    films = sorted({row.film for row in rows})
    if len(films) > 1:
        oddities.append(Oddity.FILM_TWICE)
    splits = {row.split for row in rows}
    if len(splits) > 1:
        oddities.append(Oddity.VIEW_IN_BOTH_SPLITS)
    if first.values["patient_id"] in leaking:
        oddities.append(Oddity.SPLIT_LEAK)
    found = next((path for film in films if (path := files.film(film))), None)
    named = folder / first.values["image file path"]
    file, size = look(found or named, None, oddities)
    used = {path for film in films for path in files.of(film)}
    annotations = []
    for row in rows:
        mask = None
        if file is not None:
            used |= set(files.of(row.lesion))
            mask = files.mask(row.lesion, row.values[PATHS[2]], size, oddities)
        outline = Mask(mask, size=size) if mask else None
        annotations.append(_annotation(row, outline, oddities))
    labels = [a.label for a in annotations if a.label]
    if len(set(labels)) > 1:
        oddities.append(Oddity.PATHOLOGY_MIXED)
    grades = [a.birads for a in annotations if a.birads]
    highest = max(grades, key=lambda grade: grade.number or 0, default=None)
    record = Record(
        image=first.view,
        file=file,
        data_set=NAME,
        modality=Modality.FILM,
        patient=first.values["patient_id"],
        laterality=laterality(first.values["left or right breast"]),
        view=first.values["image view"],
        size=size,
        native_size=size,
        density=density(first.values["density"], DensityScale.ACR_NUMBER, oddities),
        birads=highest and BiRads("$".join(g.written for g in grades), highest.number),
        label=worst(labels),
        label_rule=LabelRule.PATHOLOGY,
        annotations=tuple(annotations),
        split=Split.TEST if Split.TEST in splits else Split.TRAIN,
        oddities=tuple(oddities),
    )
    return record, used


def _annotation(row: Row, mask: Mask | None, oddities: list[Oddity]) -> Annotation:
    values = row.values
    label = PATHOLOGY.get(values["pathology"])
    if label is None:
        oddities.append(Oddity.PATHOLOGY_MISSING)
    asked = [name for name in DESCRIPTORS if name in values]
    oddities += [Oddity.DESCRIPTOR_MISSING for name in asked if values[name] in ("", "N/A")]
    if values["subtlety"] not in ("1", "2", "3", "4", "5"):
        oddities.append(Oddity.VALUE_OUT_OF_SCALE)
    return Annotation(
        mask,
        PATTERNS[values["abnormality type"]],
        label,
        written=values["pathology"],
        descriptors=tuple(f"{name}: {values[name]}" for name in asked if values[name]),
        birads=birads(values["assessment"], oddities),
    )


def _lesions(what: str, number: int, pattern: Pattern, split: Split | None) -> Published:
    return Published(
        what,
        number,
        lambda c: sum(
            a.pattern is pattern
            for r in c.records
            for a in r.annotations
            if split in (None, r.split)
        ),
        "rows of the official tables",
    )


def _in_split(split: Split, *, dropped: bool) -> "Published":
    number = 1248 if split is Split.TRAIN else 349
    return Published(
        f"patients in {split}, before the leak is closed",
        number,
        lambda c: distinct(
            r.patient
            for r in c.records
            if r.split is split or (dropped and Oddity.VIEW_IN_BOTH_SPLITS in r.oddities)
        ),
        "masses and calcifications merged",
    )


READER = Reader(
    NAME,
    "CBIS-DDSM",
    recognises,
    read,
    (
        Published("patients", 1566, lambda c: len(c.patients), "the collection's page"),
        Published(
            "lesions on views",
            3568,
            lambda c: sum(len(r.annotations) for r in c.records),
            "rows of the official tables; the survey's 10239 images are 3103 films + 3568 crops + 3568 masks",
        ),
        Published(
            "films",
            3032,
            lambda c: len(c.records),
            "patient, side and view; 3103 folders, 71 films in two of them. The survey's 6775 cases are DICOM series",
        ),
        _lesions("masses", 1696, Pattern.MASS, None),
        _lesions("calcifications", 1872, Pattern.CALCIFICATION, None),
        _in_split(Split.TRAIN, dropped=True),
        _in_split(Split.TEST, dropped=False),
        Published(
            "patients in training and in test",
            31,
            lambda c: distinct(r.patient for r in c.records if Oddity.SPLIT_LEAK in r.oddities),
            "once masses and calcifications are merged: drop them from training",
        ),
        Published(
            "films in training and in test",
            29,
            lambda c: sum(Oddity.VIEW_IN_BOTH_SPLITS in r.oddities for r in c.records),
            "the same",
        ),
    ),
    notes=(
        "No normals: every film holds a lesion.",
        "The films are DDSM's: never train on one and test on the other.",
    ),
)
