"""The figures of a model card as SVG, drawn from numbers alone: no script, no font, no library.

Colours are never alone: each series has a shape of its own too, and a table stands beside each
chart. Sizes are in the picture's own units, which a page scales.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import log, sqrt
from typing import NamedTuple

COLOURS = ("#0b6e8a", "#b3541e", "#5b4a9c")  # at least 4.5 to 1 on white
SHAPES = ("circle", "square", "diamond")
LEVELS = {  # of triage: fill, ink
    "low": ("#e4ecef", "#1c2733"),
    "routine": ("#b5d6e0", "#1c2733"),
    "soon": ("#f3c58c", "#1c2733"),
    "urgent": ("#a8321c", "#ffffff"),
}
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
Z = 1.96  # of a normal distribution, for 95%


class Figure(NamedTuple):
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


class Bin(NamedTuple):
    """Cases of neighbouring probabilities."""

    cases: int
    said: float  # mean probability
    came: float  # share of positives


class Frame(NamedTuple):
    """Where a plot's data lie; y is a share of 0 to 1."""

    left: float
    top: float
    width: float
    height: float

    def x(self, share: float) -> float:
        return self.left + share * self.width

    def y(self, share: float) -> float:
        return self.top + (1 - share) * self.height


def froc(series: Mapping[str, Mapping[float, Figure]]) -> str:
    """Lesions found over false marks an image, on a logarithmic axis; bands are 95%."""
    frame = Frame(58, 14, 484, 300)
    rates = sorted({rate for found in series.values() for rate in found})

    def x(rate: float) -> float:
        return frame.x(0.03 + 0.94 * log(rate / rates[0]) / (log(rates[-1] / rates[0]) or 1))

    parts = [_shares(frame, "lesions found")]
    for rate in rates:
        parts.append(_line("grid", x(rate), frame.y(0), x(rate), frame.y(1)))
        parts.append(_text("tick middle", x(rate), frame.y(0) + 18, f"{rate:g}"))
    parts.append(_text("axis middle", frame.x(0.5), frame.y(0) + 40, "false marks an image"))
    for number, found in enumerate(series.values()):
        upper = [(x(rate), frame.y(one.high)) for rate, one in found.items()]
        lower = [(x(rate), frame.y(one.low)) for rate, one in found.items()]
        parts.append(_path("band", number, [*upper, *reversed(lower)], closed=True))
    for number, found in enumerate(series.values()):
        middle = [(x(rate), frame.y(one.value)) for rate, one in found.items()]
        parts.append(_path("curve", number, middle))
        parts += [_mark(number, *place) for place in middle]
    marks = [_mark(number, 5, 0) for number in range(len(series))]
    parts.append(_legend(list(series), marks, 58, 386))
    return _svg(556, 400, "Lesions found over false marks an image", parts)


def by_strength(
    bins: Sequence[tuple[str, int, Sequence[Figure | None]]], systems: Sequence[str]
) -> str:
    """Bars side by side for each bin: its name, its lesions, a figure for each system."""
    frame = Frame(58, 26, 484, 288)
    step = frame.width / max(len(bins), 1)
    wide = min(step * 0.56 / max(len(systems), 1), 40)
    parts = [_shares(frame, "lesions found")]
    for number, (name, lesions, figures) in enumerate(bins):
        middle = frame.left + (number + 0.5) * step
        parts.append(_text("tick middle", middle, frame.y(0) + 18, name))
        parts.append(_text("small middle", middle, frame.y(0) + 34, f"{lesions} lesions"))
        for system, one in enumerate(figures):
            if one is not None:
                left = middle + (system - len(figures) / 2) * (wide + 8) + 4
                parts += _bar(frame, system, left, wide, one)
    marks = [
        f'<rect x="-1" y="-6" width="12" height="12" {_fill(system)}/>'
        for system in range(len(systems))
    ]
    parts.append(_legend(systems, marks, 58, 386))
    return _svg(556, 400, "Lesions found by their detectability", parts)


def _bar(frame: Frame, system: int, left: float, wide: float, one: Figure) -> list[str]:
    top, middle = frame.y(one.value), left + wide / 2
    tall = max(frame.y(0) - top, 0)
    return [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" {_fill(system)}/>',
        _line("whisker", middle, frame.y(one.low), middle, frame.y(one.high)),
        _line("whisker", middle - 4, frame.y(one.low), middle + 4, frame.y(one.low)),
        _line("whisker", middle - 4, frame.y(one.high), middle + 4, frame.y(one.high)),
        _text("value middle", middle, frame.y(one.high) - 6, f"{one.value:.2f}"),
    ]


def areas(rows: Sequence[tuple[str, str, Figure]]) -> str:
    """ROC areas with their intervals; dotted: chance. A row's name and what it counts."""
    frame = Frame(226, 16, 310, 56 * len(rows))
    parts = []
    for share in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        x = frame.x((share - 0.5) * 2)
        parts.append(_line("chance" if share == 0.5 else "grid", x, frame.top, x, frame.y(0)))
        parts.append(_text("tick middle", x, frame.y(0) + 18, f"{share:.1f}"))
    said = "area under the ROC curve; 0.5 is chance"
    parts.append(_text("axis middle", frame.x(0.5), frame.y(0) + 40, said))
    for number, (name, counted, one) in enumerate(rows):
        y = frame.top + 56 * (number + 0.5)
        low, high, value = (frame.x((min(max(v, 0.5), 1) - 0.5) * 2) for v in one[1:] + one[:1])
        parts += [
            _text("name end", frame.left - 18, y - 2, name),
            _text("small end", frame.left - 18, y + 15, counted),
            f'<rect class="reach" x="{low:.1f}" y="{y - 5:.1f}" width="{high - low:.1f}"/>',
            _mark(0, value, y),
            _text("value middle", value, y - 12, f"{one.value:.2f}"),
        ]
    return _svg(556, frame.y(0) + 52, "Areas under the ROC curve", parts)


def reliability(name: str, bins: Sequence[Bin]) -> str:
    """Said against came; bars are 95% (Wilson 1927), a dot's area is its number of cases."""
    frame = Frame(58, 14, 392, 392)
    parts = [_shares(frame, "share malignant")]
    for share in TICKS:
        parts.append(_line("grid", frame.x(share), frame.y(0), frame.x(share), frame.y(1)))
        parts.append(_text("tick middle", frame.x(share), frame.y(0) + 18, f"{share:.1f}"))
    parts.append(_line("chance", frame.x(0), frame.y(0), frame.x(1), frame.y(1)))
    parts.append(_text("axis middle", frame.x(0.5), frame.y(0) + 40, "probability said"))
    total = sum(one.cases for one in bins)
    for one in bins:
        low, high = _wilson(one)
        x = frame.x(one.said)
        parts.append(_line("whisker", x, frame.y(low), x, frame.y(high)))
    counts = []  # over all dots
    for one in bins:
        x, y, radius = frame.x(one.said), frame.y(one.came), 4 + 14 * sqrt(one.cases / total)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{COLOURS[0]}" '
            'fill-opacity="0.85" stroke="#fff" stroke-width="1.5"/>'
        )
        right = one.said < 0.9
        at = x + radius + 4 if right else x - radius - 4
        counts.append(_text(f"count{'' if right else ' end'}", at, y + 4, str(one.cases)))
    return _svg(464, 456, f"Reliability of probabilities, {name}", [*parts, *counts])


def _wilson(one: Bin) -> tuple[float, float]:
    n, p = one.cases, one.came
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def steps(edges: Sequence[float], levels: Sequence[str]) -> str:
    """The scores 1 to 10 with their triage levels, and the probability at each edge."""
    wide, tall, left, top = 54, 54, 8, 34
    parts = []
    for number, level in enumerate(levels):
        fill, ink = LEVELS[level]
        x = left + number * wide
        parts.append(
            f'<rect x="{x}" y="{top}" width="{wide}" height="{tall}" fill="{fill}" '
            'stroke="#fff" stroke-width="2"/>'
        )
        parts.append(
            f'<text class="score middle" x="{x + wide / 2}" y="{top + 35}" style="fill: {ink}">'
            f"{number + 1}</text>"
        )
        if number == 0 or levels[number - 1] != level:
            last = number + sum(one == level for one in levels) - 1
            middle = left + (number + last + 1) / 2 * wide
            parts.append(_text("name middle", middle, top - 12, level))
    for number, edge in enumerate(edges, 1):
        x = left + number * wide
        parts.append(_line("whisker", x, top + tall, x, top + tall + 6))
        parts.append(_text("tick middle", x, top + tall + 22, f"{edge:.3f}"))
    said = "probability from which a study has the score on the right"
    parts.append(_text("axis middle", left + 5 * wide, top + tall + 46, said))
    return _svg(556, top + tall + 56, "Steps of the score", parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _shares(frame: Frame, said: str) -> str:
    """Lines and labels of an axis from 0 to 1 on the left, and what it is of."""
    x, y = 14, frame.y(0.5)
    turned = f'transform="rotate(-90 {x} {y:.1f})"'
    axis = f'<text class="axis middle" x="{x}" y="{y:.1f}" {turned}>{escape(said)}</text>'
    return axis + "".join(
        _line("base" if share == 0 else "grid", frame.x(0), frame.y(share), frame.x(1), frame.y(share))
        + _text("tick end", frame.left - 9, frame.y(share) + 4, f"{share:.1f}")
        for share in TICKS
    )  # fmt: skip


def _fill(system: int) -> str:
    """Of bars: the second is paler, for prints without colour."""
    return f'rx="2" fill="{COLOURS[system]}" fill-opacity="{0.9 if system == 0 else 0.5}"'


def _legend(names: Sequence[str], marks: Sequence[str], left: float, y: float) -> str:
    """Names behind their marks, which are drawn around (5, 0)."""
    parts, x = [], left
    for name, mark in zip(names, marks, strict=True):
        parts.append(f'<g transform="translate({x:.1f} {y - 4:.1f})">{mark}</g>')
        parts.append(_text("legend", x + 18, y, name))
        x += 50 + 6.3 * len(name)
    return "".join(parts)


def _mark(number: int, x: float, y: float) -> str:
    fill = f'fill="{COLOURS[number]}" stroke="#fff" stroke-width="1.5"'
    match SHAPES[number]:
        case "circle":
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {fill}/>'
        case "square":
            return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" {fill}/>'
        case _:
            return f'<path d="M{x:.1f} {y - 7:.1f}l7 7-7 7-7-7z" {fill}/>'


def _path(
    kind: str, number: int, points: Sequence[tuple[float, float]], *, closed: bool = False
) -> str:
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    paint = "fill" if closed else "stroke"
    return f'<path class="{kind}" d="M{line}{"z" if closed else ""}" {paint}="{COLOURS[number]}"/>'


def _line(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def _text(kind: str, x: float, y: float, said: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'
