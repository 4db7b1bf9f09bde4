"""One self-contained page of HTML: what a run is worth, and where it fails. No network, no script."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from training.datasets.store import Gray
from training.evaluation import measure
from training.evaluation.aggregate import Unit
from training.evaluation.counts import confusion
from training.evaluation.pairs import Pair
from training.evaluation.predictions import Case
from training.evaluation.recomputed import Comparison
from training.evaluation.record import Record
from training.evaluation.slices import Slice
from training.evaluation.summary import LESION, Summary
from training.report import markup, paired, plots
from training.report.worst import Failure

STYLE = Path(__file__).with_name("style.css")
CARDS = (
    (LESION, f"sensitivity at {measure.AT:g}", f"lesions found at {measure.AT:g} false marks"),
    (LESION, "CPM", "CPM, mean over 1/8 to 8 false marks"),
    (Unit.BREAST, "ROC AUC", "ROC AUC by breast"),
    (Unit.PATIENT, "ROC AUC", "ROC AUC by patient"),
    (Unit.BREAST, "calibration error", "calibration error by breast"),
)
SEEN = '<i class="m"></i>mark that a reader would see '
MISSED = f'<p class="legend"><i class="t"></i>lesion that was missed <i></i>other lesion {SEEN}</p>'
ALARM = f'<p class="legend"><i class="w"></i>the false mark <i></i>lesion {SEEN}</p>'


@dataclass(frozen=True, slots=True)
class Part:
    """All that the page says of one set."""

    name: str
    cases: Sequence[Case]
    summary: Summary
    slices: Sequence[Slice]
    unknown: Sequence[str]  # attributes that are known of no image
    misses: Sequence[Failure]
    alarms: Sequence[Failure]
    pictures: Mapping[str, Gray]
    threshold: float  # of the detector's score, from which a reader sees a mark


def page(
    found: Record, parts: Sequence[Part], pairs: Sequence[Pair], compared: Comparison | None
) -> str:
    """The whole document."""
    links = "".join(f'<a href="#{escape(p.name)}">{escape(p.name)}</a>' for p in parts)
    images = sum(part.summary.images for part in parts)
    sets = f"{len(parts)} sets" if len(parts) > 1 else "one set"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(found.name)}: evaluation</title><style>{STYLE.read_text()}</style></head>"
        f'<body><header class="top"><div><span class="eyebrow">Evaluation</span>'
        f"<h1>{escape(found.name)}</h1><p>{images} images in {sets}, computed from the predictions "
        "of the run. In grey: 95% intervals over patients, by 2,000 bootstrap draws; none where all "
        "draws agree, which says little. For research; not a medical device.</p></div></header>"
        f"<nav><div>{links}<a href='#run'>the run</a></div></nav><main>{_state(compared)}"
        f"{''.join(_part(one, found.raised) for one in parts)}{paired.section(pairs)}{_run(found)}"
        "</main><footer>Written by nightread evaluate. All of this page is in one file.</footer>"
        "</body></html>\n"
    )


def _state(compared: Comparison | None) -> str:
    """Whether the run's own figures came out again."""
    if compared is None:
        return ""
    bad = " bad" if compared.different else ""
    total = compared.equal + len(compared.different) + len(compared.missing)
    came = f"{compared.equal} of the {total} numbers in figures.json came out again"
    lines = [f"<p><b>{came}</b> from the predictions alone.</p>"]
    lines += [
        f"<p>{escape(one.figure)}: {escape(str(one.stored))} there, {escape(str(one.computed))} now"
        "</p>"
        for one in compared.different
    ]
    if compared.missing:
        first = escape(compared.missing[0])
        lines.append(
            f"<p>{len(compared.missing)} cannot be computed from what the record holds: {first}"
            f"{' and others' if len(compared.missing) > 1 else ''}.</p>"
        )
    return f'<div class="state{bad}">{"".join(lines)}</div>'


def _part(part: Part, raised: float) -> str:
    s = part.summary
    lead = (
        f"{s.images} images of {s.patients} patients ({s.breasts} breasts), {s.lesions} lesions; "
        f"malignant: {s.malignant[Unit.IMAGE]} images, {s.malignant[Unit.BREAST]} breasts, "
        f"{s.malignant[Unit.PATIENT]} patients."
    )
    return (
        f'<section id="{escape(part.name)}"><h2>{escape(part.name)}</h2>'
        f'<p class="lead">{lead}</p>{_cards(part)}'
        f'<div class="plots">{_plots(part, raised)}</div>'
        f"{_slices(part)}{_worst(part)}{_figures(part)}</section>"
    )


def _cards(part: Part) -> str:
    known = {(one.unit, one.name): one for one in part.summary.figures}
    made = []
    for unit, name, said in CARDS:
        if (unit, name) in known:
            value = markup.interval(known[unit, name].interval, part.summary.patients)
            made.append(
                f'<div class="card"><div class="name">{said}</div>'
                f'<div class="value">{value}</div><div class="of">{_of(part.summary, unit)}</div>'
                "</div>"
            )
    return f'<div class="cards">{"".join(made)}</div>'


def _of(s: Summary, unit: str) -> str:
    """What a unit's figures are counted over."""
    if unit == LESION:
        return f"{s.lesions} lesions on {s.images} images, {s.patients} patients"
    of = Unit(unit)
    plural = f"{of}s"
    return f"{len(s.scored[of])} {plural}, {s.malignant[of]} malignant, {s.patients} patients"


def _plots(part: Part, raised: float) -> str:
    items = part.summary.scored
    breasts = items[Unit.BREAST]
    called = confusion([b.malignant for b in breasts], [b.probability >= raised for b in breasts])
    made = []
    if part.summary.lesions:
        made.append(
            markup.plot(
                plots.free_response(part.cases),
                "FROC.",
                "A mark finds a lesion when its middle lies in the lesion's box; all images count. "
                "Band: 95% over patients.",
            )
        )
    made += [
        markup.plot(
            plots.roc(items), "ROC.", "Malignant against all others. Band: 95%, by breast."
        ),
        markup.plot(
            plots.precision(items),
            "Precision and recall.",
            "Dotted: the share of malignant, which is chance.",
        ),
        markup.plot(
            plots.calibration(items),
            "Reliability.",
            "Ten bins of breasts, with their numbers; bars are 95% (Wilson). On the diagonal, "
            "probabilities are what they say.",
        ),
        markup.plot(
            plots.decisions(called, Unit.BREAST),
            "Confusion.",
            f"Breasts, called from a probability of {raised:.3f} on: fixed before the test.",
        ),
        markup.plot(
            plots.spread(items, raised),
            "Probabilities.",
            "Of malignant and of other breasts, each class adding up to 1. Dashed: from where a "
            "breast is called.",
        ),
    ]
    return "".join(made)


def _slices(part: Part) -> str:
    if not part.slices:
        return ""
    rows = []
    for by, members in groupby(part.slices, key=lambda one: one.by):
        rows.append([f"<b>{escape(by)}</b>", *[""] * 6])
        rows += [
            [
                f"&emsp;{escape(one.value)}",
                str(one.images),
                str(one.patients),
                str(one.lesions),
                markup.interval(one.sensitivity, one.patients),
                markup.bar(one.sensitivity, one.patients),
                "" if one.auc is None else markup.interval(one.auc, one.patients),
            ]
            for one in members
        ]
    unknown = f" Not known here: {', '.join(part.unknown)}." if part.unknown else ""
    head = ("", "images", "patients", "lesions", f"found at {measure.AT:g}", "", "AUC by image")
    return (
        "<h3>By what is known of the images</h3>"
        f'<p class="lead">One threshold for all: {measure.AT:g} false marks an image over the whole '
        f"set. No interval is given for fewer than {markup.FEW} patients.{unknown}</p>"
        f"{markup.table(head, rows, 'slices')}"
    )


def _worst(part: Part) -> str:
    made = []
    for title, legend, failures in (
        ("Worst misses", MISSED, part.misses),
        ("Worst false alarms", ALARM, part.alarms),
    ):
        shown = [one for one in failures if one.case.view.name in part.pictures]
        if shown:
            drawn = "".join(
                markup.failure(one, part.pictures[one.case.view.name], part.threshold)
                for one in shown
            )
            made.append(f'<h3>{title}</h3>{legend}<div class="cases">{drawn}</div>')
        elif failures:
            rows = [(escape(one.case.view.name), escape(one.said)) for one in failures]
            said = "The pictures are not here: name the folder of the data set with --data."
            made.append(
                f'<h3>{title}</h3><p class="lead">{said}</p>{markup.table(("image", ""), rows)}'
            )
    return "".join(made)


def _figures(part: Part) -> str:
    rows = []
    for unit, members in groupby(part.summary.figures, key=lambda one: one.unit):
        rows.append([f"By {escape(unit)}", "", "", escape(_of(part.summary, unit))])
        rows += [
            [
                f"&emsp;{escape(one.name)}",
                markup.interval(one.interval, part.summary.patients),
                markup.bar(one.interval, part.summary.patients),
                escape(one.definition),
            ]
            for one in members
        ]
    head = ("figure", "value", "", "definition")
    return f"<h3>All figures</h3>{markup.table(head, rows, 'figures')}"


def _run(found: Record) -> str:
    if found.made is None:
        said = "<p>The record says nothing of how the run was made: record.json is not there.</p>"
    else:
        text = escape(json.dumps(found.made.model_dump(mode="json"), indent=1))
        said = f"<details><summary>Configuration, seeds and versions</summary><pre>{text}</pre></details>"
    return f'<section id="run"><h2>The run</h2>{said}</section>'
