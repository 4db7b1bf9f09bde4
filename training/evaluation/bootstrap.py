"""Intervals by drawing patients, not images: two views of a breast are not two witnesses.

A draw on which a statistic is NaN (a class is missing) is left out, which is the same as drawing
again until it is not. Differences are paired when the statistic itself is one: of two scores on
the same items.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
DRAWS = 2000
LOWER, UPPER = 2.5, 97.5  # percentiles: a 95% interval


class Interval(NamedTuple):
    """A figure with its 95% percentile interval."""

    value: float
    low: float
    high: float


class Draws(NamedTuple):
    """Which patients were drawn, as counts: statistics of all draws can be computed at once."""

    group: NDArray[np.intp]  # (items,) the number of each item's patient
    counts: NDArray[np.int32]  # (draws, patients) how often each patient was drawn

    @property
    def weights(self) -> NDArray[np.int32]:
        """(draws, items): how often each item was drawn."""
        return self.counts[:, self.group]


def interval(
    items: Sequence[Item],
    groups: Sequence[str],
    statistic: Callable[[list[Item]], float],
    seed: int,
    draws: int = DRAWS,
) -> Interval:
    """The statistic over all items, and its interval over draws of whole groups."""
    drawn = draw(groups, seed, draws)
    members = [np.flatnonzero(drawn.group == number) for number in range(drawn.counts.shape[1])]
    values = []
    for counts in drawn.counts:
        chosen = np.concatenate([np.tile(members[i], counts[i]) for i in np.flatnonzero(counts)])
        values.append(statistic([items[i] for i in chosen]))
    return percentiles(statistic(list(items)), np.array(values, np.float64))


def draw(groups: Sequence[str], seed: int, draws: int = DRAWS) -> Draws:
    """Patients drawn with replacement, as many as there are, `draws` times.

    Raises ValueError without items.
    """
    if not groups:
        raise ValueError("There is nothing to draw from: an interval needs cases.")
    number: dict[str, int] = {}
    place = [number.setdefault(group, len(number)) for group in groups]
    rng = np.random.default_rng(seed)
    counts = [
        np.bincount(rng.integers(len(number), size=len(number)), minlength=len(number))
        for _ in range(draws)
    ]
    return Draws(np.array(place, np.intp), np.array(counts, np.int32))


def percentiles(value: float, values: NDArray[np.float64]) -> Interval:
    """The 95% interval of a statistic's values over draws; NaN where all of them are."""
    finite = values[~np.isnan(values)]
    low, high = np.percentile(finite, [LOWER, UPPER]) if len(finite) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))
