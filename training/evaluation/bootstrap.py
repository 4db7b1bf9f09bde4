"""Intervals by drawing patients, not images: two views of a breast are not two witnesses."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Item = TypeVar("Item")
DRAWS = 2000
LOWER, UPPER = 2.5, 97.5  # percentiles: a 95% interval


class Interval(NamedTuple):
    """A figure with its 95% percentile interval."""

    value: float
    low: float
    high: float


def interval(
    items: Sequence[Item],
    groups: Sequence[str],
    statistic: Callable[[list[Item]], float],
    seed: int,
    draws: int = DRAWS,
) -> Interval:
    """The statistic over all items, and its interval over draws of whole groups.

    A draw on which the statistic is NaN (a class is missing) is left out.
    """
    members: dict[str, list[Item]] = {}
    for item, group in zip(items, groups, strict=True):
        members.setdefault(group, []).append(item)
    pools = list(members.values())
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = [item for i in rng.integers(len(pools), size=len(pools)) for item in pools[i]]
        values.append(statistic(drawn))
    finite = [v for v in values if not np.isnan(v)]
    low, high = np.percentile(finite, [LOWER, UPPER]) if finite else (np.nan, np.nan)
    return Interval(statistic(list(items)), float(low), float(high))
