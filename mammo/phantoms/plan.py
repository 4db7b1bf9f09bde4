"""What each study of a set is to be, before anything is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from mammo.phantoms.anatomy import Density, Tissue, draw_tissue
from mammo.phantoms.background import draw_density, draw_machine
from mammo.phantoms.machines import Machine
from mammo.phantoms.outline import Breast, draw_breast
from mammo.phantoms.random import Stream, generator
from mammo.views import Laterality

MONTH = date(2026, 10, 1)  # the studies' first day, unless told otherwise
_DAYS = 28
# trees, so that nobody takes them for a hospital's patients
_FAMILY = (
    "ALDER", "BIRCH", "CEDAR", "DAHLIA", "ELM", "FERN", "GORSE", "HAZEL", "IVORY", "JUNIPER",
    "LARCH", "MAPLE", "NETTLE", "OSIER", "POPLAR", "QUINCE", "ROWAN", "SEDGE", "THISTLE", "YARROW",
)  # fmt: skip
_GIVEN = (
    "ADA", "BEATRIX", "CLARA", "DORA", "EDITH", "FREYA", "GRETA", "HELEN", "IRIS", "JOAN", "KAREN",
    "LUISE", "MARTA", "NORA", "OLGA", "PETRA", "ROSA", "SOFIA", "THEA", "URSULA", "VERA", "WANDA",
)  # fmt: skip


class Syntax(StrEnum):
    """The transfer syntaxes that phantoms are written in, all lossless (PS3.5 section 10)."""

    EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
    RLE = "1.2.840.10008.1.2.5"
    JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"  # selection value 1
    JPEG_LS = "1.2.840.10008.1.2.4.80"
    JPEG_2000 = "1.2.840.10008.1.2.4.90"


_SYNTAX_SHARES = MappingProxyType(
    {
        Syntax.EXPLICIT_LITTLE: 0.16,
        Syntax.RLE: 0.14,
        Syntax.JPEG_LOSSLESS: 0.16,
        Syntax.JPEG_LS: 0.42,
        Syntax.JPEG_2000: 0.12,
    }
)


class Label(StrEnum):
    """What a study holds at worst."""

    NORMAL = "normal"
    BENIGN = "benign"
    MALIGNANT = "malignant"


@dataclass(frozen=True, slots=True)
class Patient:
    """An invented woman."""

    name: str  # family^given
    id: str
    birth_date: date


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """One study of a set; rendering it needs nothing else."""

    seed: int
    index: int
    label: Label
    density: Density
    patient: Patient
    day: date
    study_uid: str
    transfer_syntax: Syntax
    machine: Machine
    breast: Breast
    tissue: Tissue
    lesions: tuple[tuple[Laterality, tuple[bool, ...]], ...]  # malignant or not, by breast


def labels(n: int, seed: int) -> tuple[Label, ...]:
    """Half malignant (rounded up), 25% benign, the rest normal, shuffled by the seed."""
    bad = math.ceil(n / 2)
    benign = min(n - bad, round(0.25 * n))
    dealt = [Label.MALIGNANT] * bad + [Label.BENIGN] * benign
    dealt += [Label.NORMAL] * (n - len(dealt))
    order = generator(seed, Stream.QUOTA).permutation(n)
    return tuple(dealt[i] for i in order)


def uid(rng: np.random.Generator) -> str:
    """A UID from a random UUID under the root 2.25 (PS3.5 section B.2)."""
    raw = int.from_bytes(rng.bytes(16), "big")
    raw = raw & ~(0xF << 76) | 4 << 76  # version 4
    raw = raw & ~(0x3 << 62) | 2 << 62  # variant of RFC 4122
    return f"2.25.{raw}"


def _patient(rng: np.random.Generator, day: date) -> Patient:
    age = timedelta(days=int(rng.integers(40 * 365, 76 * 365)))
    return Patient(
        name=f"{rng.choice(_FAMILY)}^{rng.choice(_GIVEN)}",
        id=f"NR{rng.integers(10**7, 10**8)}",
        birth_date=day - age,
    )


def _lesions(
    rng: np.random.Generator, label: Label
) -> tuple[tuple[Laterality, tuple[bool, ...]], ...]:
    """How many lesions of which kind each breast has."""
    if label is Label.NORMAL:
        return ()
    sides = list(Laterality)
    rng.shuffle(sides)
    counts: dict[Laterality, list[bool]] = {side: [] for side in sides}
    worst = label is Label.MALIGNANT
    counts[sides[0]].append(worst)
    if rng.random() < 0.25:
        counts[sides[0]].append(worst and bool(rng.random() < 0.6))
    if rng.random() < 0.2:
        counts[sides[1]].append(False)
    return tuple((side, tuple(found)) for side, found in sorted(counts.items()) if found)


def _study(seed: int, index: int, label: Label, month: date) -> StudyPlan:
    rng = generator(seed, Stream.STUDY, index)
    identity = generator(seed, Stream.IDENTITY, index)
    day = month + timedelta(days=int(identity.integers(_DAYS)))
    density = draw_density(rng)
    return StudyPlan(
        seed=seed,
        index=index,
        label=label,
        density=density,
        patient=_patient(identity, day),
        day=day,
        study_uid=uid(identity),
        transfer_syntax=Syntax(rng.choice(list(Syntax), p=[_SYNTAX_SHARES[s] for s in Syntax])),
        machine=draw_machine(rng),
        breast=draw_breast(rng),
        tissue=draw_tissue(rng, density),
        lesions=_lesions(rng, label),
    )


def plan(n: int, seed: int, month: date = MONTH) -> Sequence[StudyPlan]:
    """The n studies of a seed; their days lie in the 28 days from `month` on.

    Raises ValueError when n or the seed is negative.
    """
    if n < 0:
        raise ValueError("Ask for 0 or more studies.")
    return tuple(_study(seed, i, label, month) for i, label in enumerate(labels(n, seed)))
