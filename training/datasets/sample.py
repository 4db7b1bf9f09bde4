"""A record as training takes it: which of its annotations are lesions to find, and which count."""

from dataclasses import dataclass

from mammo.codes import Kind
from training.datasets.record import Box, Label, Lesion, Record, Split


@dataclass(frozen=True, slots=True)
class Sample:
    """A record with a file; boxes are on its pixels after stretching to `shape`."""

    record: Record
    split: Split
    lesions: tuple[Lesion, ...]
    ignored: tuple[Box, ...]  # neither a lesion nor healthy: drawn, but not as a lesion is
    kinds: frozenset[Kind]  # of which all lesions are marked
    shape: tuple[int, int] | None  # rows, columns to stretch to first; None: right as stored

    @property
    def patient(self) -> str:
        """Whose image it is."""
        return self.record.patient

    @property
    def malignant(self) -> bool:
        """The image's label."""
        return self.record.label is Label.MALIGNANT
