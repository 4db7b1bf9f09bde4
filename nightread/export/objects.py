"""The objects of one kind that a study's report becomes, each with the name of its file."""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

from pydicom import Dataset

from mammo.reports.cad_sr import cad_sr
from mammo.reports.capture import capture
from mammo.reports.gsps import gsps
from mammo.reports.modules import encoded
from nightread.export.gather import Gathered
from nightread.export.kinds import Kind


class Exported(NamedTuple):
    """A file that goes out, or the object that it holds."""

    name: str  # below a folder or prefix: pseudonyms and words of ours
    data: bytes
    pseudonym: str | None = None
    release: str | None = None  # digest
    dataset: Dataset | None = None


def objects(kind: Kind, gathered: Gathered, pseudonym: str) -> Iterator[Exported]:
    """One CAD SR or overlay a study; a presentation state for each analysed image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's texts hold values of the header
        made = list(_made(kind, gathered))
        for name, dataset in made:
            yield Exported(
                f"{pseudonym}/{name}.dcm",
                encoded(dataset),
                pseudonym,
                gathered.report.algorithm.digest,
                dataset,
            )


def _made(kind: Kind, gathered: Gathered) -> Iterator[tuple[str, Dataset]]:
    report = gathered.report
    if kind is Kind.CAD_SR:
        yield str(kind), cad_sr(report)
    elif kind is Kind.SC:
        yield str(kind), capture(report, gathered.pictures, gathered.headers)
    else:
        pairs = zip(report.images, gathered.headers, strict=True)
        for number, (image, header) in enumerate(pairs, 1):
            view = f"{image.laterality or ''}{image.view or ''}"
            yield f"{kind}-{number}-{view}", gsps(report, image, header, number)
