"""From the folder of a run or its record to figures and the page that shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mammo.prepare import Preparation
from training.datasets.folders import DatasetError
from training.evaluation import details, froc, measure, pairs, record, slices, summary
from training.evaluation.predictions import Case
from training.evaluation.recomputed import Comparison, compare
from training.evaluation.record import Record, RecordError
from training.report import worst
from training.report.page import Part, page
from training.report.pictures import pictures


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a run once it is evaluated."""

    record: Record
    parts: tuple[Part, ...]
    pairs: tuple[pairs.Pair, ...]  # two systems on the same images
    compared: Comparison | None  # None: the record has no figures of its own
    html: str


def report(
    folder: Path, data: Path | None, tell: Callable[[str], None], *, draw: bool = True
) -> Report:
    """Evaluate; `data` holds the folders of real data sets. Raises RecordError.

    `draw`: with the pictures of failures, which take longer than all figures.
    """
    found = record.read(folder)
    try:
        parts = tuple(_part(found, folder, name, data, tell, draw=draw) for name in found.sets)
        paired = pairs.of_sets(found.sets, found.calibration)
    except (ValueError, DatasetError) as error:
        raise RecordError(str(error)) from error
    compared = None
    if found.figures and found.calibration:
        again = measure.figures(found.sets, found.calibration, found.matched_filters)
        compared = compare(dict(found.figures), again)
    return Report(found, parts, paired, compared, page(found, parts, paired, compared))


def _part(
    found: Record,
    folder: Path,
    name: str,
    data: Path | None,
    tell: Callable[[str], None],
    *,
    draw: bool,
) -> Part:
    tell(f"{name}: figures")
    drawn = found.drawn(name)
    cases = _with_details(found, name, data)
    parted, unknown = slices.of_set(cases, found.calibration)
    misses = worst.misses(cases)
    alarms = worst.false_alarms(cases, found.calibration)
    failed = [one.case for one in (*misses, *alarms)]
    shown = {}
    if draw:
        tell(f"{name}: pictures")
        shown = pictures(failed, _preparation(found), drawn, folder, data)
    return Part(
        name=name,
        cases=cases,
        summary=summary.of_set(cases, found.calibration, found.raised),
        slices=parted,
        unknown=unknown,
        misses=misses,
        alarms=alarms,
        pictures=shown,
        threshold=_threshold(found, cases),
    )


def _with_details(found: Record, name: str, data: Path | None) -> list[Case]:
    cases = found.sets[name]
    drawn = found.drawn(name)
    folder = data / cases[0].view.source if data else None
    return details.filled(
        cases,
        details.of_phantoms(drawn) if drawn else {},
        details.of_folder(folder) if folder and folder.is_dir() else {},
    )


def _preparation(found: Record) -> Preparation:
    half = bool(found.made and found.made.recipe.get("half_jpeg_2000", False))
    return Preparation(half_jpeg_2000=half)


def _threshold(found: Record, cases: list[Case]) -> float:
    """From which a reader sees a mark: the release's, else that of `measure.AT`."""
    if found.calibrated:
        return found.calibrated.finding_threshold
    return froc.threshold_at([measure.outcome(case) for case in cases], measure.AT)
