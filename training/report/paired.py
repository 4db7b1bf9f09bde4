"""The section of the page that compares two systems on the same images."""

from collections.abc import Sequence
from html import escape
from math import isnan

from training.evaluation.pairs import Pair
from training.report import markup

SAID = (
    "Sets of the same images are two systems. The difference is the first less the second, with "
    "its 95% interval over patients, drawn for both at once. DeLong's test takes cases as "
    "independent: by image and breast it is too sure."
)


def section(pairs: Sequence[Pair]) -> str:
    """A row for each pair and unit; nothing without pairs."""
    if not pairs:
        return ""
    head = ("by", "first", "AUC", "second", "AUC", "difference", "z", "p (DeLong)")
    rows = [
        [
            f"{escape(one.unit)}, {one.malignant} of {one.cases} malignant",
            escape(one.names[0]),
            markup.interval(one.aucs[0], one.patients),
            escape(one.names[1]),
            markup.interval(one.aucs[1], one.patients),
            markup.interval(one.difference, one.patients),
            markup.number(one.z),
            _p(one.p),
        ]
        for one in pairs
    ]
    return (
        f'<section id="pairs"><h2>Two systems</h2><p class="lead">{SAID}</p>'
        f"{markup.table(head, rows)}</section>"
    )


def _p(value: float) -> str:
    if isnan(value):
        return "&ndash;"
    return f"{value:.3f}" if value >= 0.001 else "&lt; 0.001"
