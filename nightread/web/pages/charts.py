"""A distribution of scores as SVG's numbers: no script, no library."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360.0, 150.0  # of the drawing, in its own units
LEFT, BOTTOM, TOP = 34.0, 22.0, 8.0
STEPS = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5)  # between lines: three to five of them are drawn


@dataclass(frozen=True, slots=True)
class Bar:
    score: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """Bars of the last night, a line of the nights before, and an axis."""

    bars: tuple[Bar, ...]
    before: str  # points of a polyline; empty: nothing to compare with
    lines: tuple[tuple[float, str], ...]  # y and label
    base: float  # y of nothing


def distribution(last: Sequence[float], before: Sequence[float] | None) -> Distribution:
    """Shares of the scores 1 to 10, each 0 to 1."""
    most = max(*last, *(before or ()), 0.01)
    step = next((step for step in STEPS if most / step <= 5), STEPS[-1])
    top = step * -(-most // step)
    base, slot = HEIGHT - BOTTOM, (WIDTH - LEFT) / len(last)

    def y(share: float) -> float:
        return round(base - (base - TOP) * share / top, 2)

    bars = tuple(
        Bar(
            n + 1,
            round(LEFT + n * slot + 4, 2),
            y(share),
            round(slot - 8, 2),
            round(base - y(share), 2),
        )
        for n, share in enumerate(last)
    )
    stairs = [
        f"{round(LEFT + (n + side) * slot, 2)},{y(share)}"
        for n, share in enumerate(before or ())
        for side in (0, 1)
    ]
    count = round(top / step)
    lines = tuple((y(n * step), f"{n * step:.0%}") for n in range(count + 1))
    return Distribution(bars, " ".join(stairs), lines, base)
