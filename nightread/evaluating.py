"""What `nightread evaluate` says of a run, as a document and as lines to read."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from nightread.errors import ConfigurationError, Refused
from nightread.shapes import (
    EvaluatedFigure,
    EvaluateDocument,
    EvaluatedPair,
    EvaluatedSet,
    RecomputedFigures,
)

if TYPE_CHECKING:
    from training.evaluation.pairs import Pair
    from training.evaluation.summary import Summary
    from training.report.build import Report

SHOWN = (("lesion", "sensitivity at 0.5"), ("breast", "ROC AUC"), ("breast", "calibration error"))


def evaluate(
    folder: Path, data: Path | None, tell: Callable[[str], None], *, draw: bool
) -> "Report":
    """The report of a run's folder; raises ConfigurationError without the extra, or Refused."""
    if find_spec("matplotlib") is None:
        raise ConfigurationError(
            "The report needs matplotlib: install the extra with pip install 'nightread[research]'."
        )
    from training.evaluation.record import RecordError  # noqa: PLC0415 -- an extra
    from training.report.build import report  # noqa: PLC0415

    try:
        return report(folder, data, tell, draw=draw)
    except RecordError as error:
        raise Refused(str(error)) from error


def document(found: "Report", written: Path | None) -> EvaluateDocument:
    """What `--json` prints."""
    compared = found.compared
    return EvaluateDocument(
        run=found.record.name,
        report=str(written) if written else None,
        sets=[_set(part.name, part.summary) for part in found.parts],
        pairs=[_pair(one) for one in found.pairs],
        recomputed=None
        if compared is None
        else RecomputedFigures(
            equal=compared.equal,
            different=[one.figure for one in compared.different],
            missing=list(compared.missing),
        ),
    )


def lines(document: EvaluateDocument) -> Iterator[str]:
    """The figures that are looked for first."""
    for one in document.sets:
        found = {(f.unit, f.name): f for f in one.figures}
        shown = [found[key] for key in SHOWN if key in found]
        said = ", ".join(f"{f.name} by {f.unit} {figure(f)}" for f in shown)
        yield f"{one.name}: {one.images} images, {one.patients} patients; {said}"
    for pair in document.pairs:
        if pair.unit == "breast" and pair.difference is not None:
            bounds = "" if pair.low is None else f" [{pair.low:+.2f}, {pair.high:+.2f}]"
            test = "" if pair.p is None else f", DeLong's p {_p(pair.p)}"
            yield (
                f"{pair.first} less {pair.second}: ROC AUC by breast "
                f"{pair.difference:+.2f}{bounds}{test}"
            )
    again = document.recomputed
    if again:
        total = again.equal + len(again.different) + len(again.missing)
        yield f"{again.equal} of the run's {total} own figures came out again"
        yield from (f"differs: {figure}" for figure in again.different)
        if again.missing:
            yield f"{len(again.missing)} cannot be computed from what the record holds"


def _set(name: str, summary: "Summary") -> EvaluatedSet:
    malignant = {str(unit): count for unit, count in summary.malignant.items()}
    return EvaluatedSet(
        name=name,
        images=summary.images,
        breasts=summary.breasts,
        patients=summary.patients,
        lesions=summary.lesions,
        malignant_images=malignant["image"],
        malignant_breasts=malignant["breast"],
        malignant_patients=malignant["patient"],
        figures=[
            EvaluatedFigure(
                unit=str(f.unit),
                name=f.name,
                value=known(f.interval.value),
                low=known(f.interval.low),
                high=known(f.interval.high),
                definition=f.definition,
            )
            for f in summary.figures
        ],
    )


def _pair(one: "Pair") -> EvaluatedPair:
    return EvaluatedPair(
        unit=str(one.unit),
        first=one.names[0],
        second=one.names[1],
        cases=one.cases,
        malignant=one.malignant,
        aucs=(known(one.aucs[0].value), known(one.aucs[1].value)),
        difference=known(one.difference.value),
        low=known(one.difference.low),
        high=known(one.difference.high),
        z=known(one.z),
        p=known(one.p),
    )


def known(value: float) -> float | None:
    """A figure as JSON has it: NaN is null."""
    return None if isnan(value) else value


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "below 0.001"


def figure(f: EvaluatedFigure) -> str:
    """A figure with its interval, to read."""
    if f.value is None:
        return "undefined"
    bounds = "" if f.low is None or f.high is None else f" [{f.low:.2f}, {f.high:.2f}]"
    return f"{f.value:.2f}{bounds}"
