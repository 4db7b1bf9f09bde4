"""Splits by patient: seeded or official, saved to a file, nobody on two sides."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets.collection import Collection, DatasetError
from training.datasets.record import Record, Split, worst

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Partition:
    """Which patient is in which part. By construction nobody can be in two."""

    data_set: str
    rule: str  # in words
    seed: int | None  # None: official
    patients: Mapping[str, Split]
    dropped: tuple[str, ...] = ()  # images of no part: their patient is in test, they were training

    def of(self, record: Record) -> Split | None:
        """A record's part; None if it is dropped or unknown."""
        return None if record.image in self.dropped else self.patients.get(record.patient)

    @property
    def digest(self) -> str:
        """SHA-256 over patients with their parts and over dropped images: names the split."""
        lines = [f"{name}\t{split}" for name, split in sorted(self.patients.items())]
        return hashlib.sha256("\n".join([*lines, "", *sorted(self.dropped)]).encode()).hexdigest()


def seeded(
    collection: Collection, seed: int, validation: float = 0.15, test: float = 0.2
) -> Partition:
    """Parts by shares of patients, alike in worst label, modality and device.

    Within a stratum patients stand in the order of a hash of seed and name, so that neither the
    order of files nor Python's own hash matters.
    """
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient, records in _by_patient(collection).items():
        label = worst(record.label for record in records if record.label)
        made = sorted({f"{r.modality}/{r.device}" for r in records})
        strata[str(label), *made].append(patient)
    parts: dict[str, Split] = {}
    debt = {Split.TEST: 0.0, Split.VALIDATION: 0.0}  # carried on: small strata must not round away
    for _, patients in sorted(strata.items()):
        ordered = sorted(patients, key=lambda name: _draw(collection.name, seed, name))
        for split, share in ((Split.TEST, test), (Split.VALIDATION, validation)):
            due = debt[split] + share * len(patients)
            count = min(round(due), len(ordered))
            debt[split] = due - count
            parts.update(dict.fromkeys(ordered[:count], split))
            ordered = ordered[count:]
        parts.update(dict.fromkeys(ordered, Split.TRAIN))
    rule = (
        f"by patient: {test:.0%} test, {validation:.0%} validation, by label, modality and device"
    )
    return Partition(collection.name, rule, seed, parts)


def official(collection: Collection) -> Partition:
    """The data set's own split, its leak closed: who is in test is in nothing else.

    Training images of such a patient are dropped: they are neither (CBIS-DDSM has 31 such women
    once masses and calcifications are merged). Raises DatasetError where there is no official one.
    """
    parts: dict[str, Split] = {}
    for record in collection.records:
        if record.split is None:
            raise DatasetError(f"{collection.name} has no official split: use a seed.")
        if parts.get(record.patient) is not Split.TEST:
            parts[record.patient] = record.split
    dropped = [
        record.image
        for record in collection.records
        if parts[record.patient] is Split.TEST and record.split is not Split.TEST
    ]
    return Partition(collection.name, "official, its leak closed", None, parts, tuple(dropped))


def _by_patient(collection: Collection) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in collection.records:
        found[record.patient].append(record)
    return found


def _draw(data_set: str, seed: int, patient: str) -> bytes:
    return hashlib.sha256(f"{data_set}/{seed}/{patient}".encode()).digest()


def save(partition: Partition, path: Path) -> None:
    """As JSON. Raises DatasetError where it cannot be written."""
    parts: dict[str, list[str]] = {str(split): [] for split in Split}
    for patient, split in sorted(partition.patients.items()):
        parts[split].append(patient)
    document = {
        "format": FORMAT,
        "data_set": partition.data_set,
        "rule": partition.rule,
        "seed": partition.seed,
        "sha256": partition.digest,
        "patients": parts,
        "dropped_images": list(partition.dropped),
    }
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path} can't be written: {error.strerror}.") from None


def load(path: Path) -> Partition:
    """What `save` wrote.

    Raises DatasetError for a file that is none, that was changed, or that has a patient twice.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise DatasetError(f"{path} is of format {document['format']}, not {FORMAT}.")
        named = [(p, Split(s)) for s, patients in document["patients"].items() for p in patients]
        partition = Partition(
            document["data_set"],
            document["rule"],
            document["seed"],
            dict(named),
            tuple(document["dropped_images"]),
        )
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DatasetError(f"{path} is no split: make one with `nightread data split`.") from None
    if len(partition.patients) < len(named):
        raise DatasetError(f"{path} has a patient on two sides: make it anew.")
    if partition.digest != document.get("sha256"):
        raise DatasetError(f"{path} was changed by hand, for its digest differs: make it anew.")
    return partition
