"""A data set as it was read: its records, its problems, and what others counted in it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from training.datasets.oddities import Oddity, Problem
from training.datasets.record import Record


class DatasetError(Exception):
    """A folder that does not hold what it should: which file, and what to do."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All of a folder: nothing of it is dropped without a problem that says so."""

    name: str
    folder: Path
    records: tuple[Record, ...]
    problems: tuple[Problem, ...] = ()

    def oddities(self) -> Counter[Oddity]:
        """How often each code stands, at records and at problems."""
        found = Counter(code for record in self.records for code in record.oddities)
        found.update(problem.code for problem in self.problems)
        return found

    @property
    def patients(self) -> frozenset[str]:
        """The names of its patients."""
        return frozenset(record.patient for record in self.records)


@dataclass(frozen=True, slots=True)
class Published:
    """A number that somebody gave for the complete data set."""

    what: str
    number: int
    count: Callable[[Collection], int]  # the same, counted in what is here
    source: str  # who gave it, and what is wrong with it


@dataclass(frozen=True, slots=True)
class Reader:
    """How one data set lies on disk."""

    name: str
    title: str
    recognises: Callable[[Path], bool]  # by names of files alone
    read: Callable[[Path], Collection]
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()  # what a person should know before using it


def distinct(values: Iterable[object]) -> int:
    """How many different ones."""
    return len(set(values))
