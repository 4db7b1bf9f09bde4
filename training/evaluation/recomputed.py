"""A record's own figures against the same computed again from its predictions."""

from collections.abc import Iterator
from math import isclose, isnan
from typing import Any, NamedTuple

# Figures are measured on scores as they are and computed again from scores as they are kept: of
# four decimals in old records, where ties move a rank here and there.
TOLERANCE = 1e-3
SAID = ("command", "reference")  # what names the run; nothing that is measured


class Difference(NamedTuple):
    """A figure that is not what the record says."""

    figure: str
    stored: Any
    computed: Any  # None: it could not be computed again


class Comparison(NamedTuple):
    """How much of a record's figures was computed again."""

    equal: int
    different: tuple[Difference, ...]
    missing: tuple[str, ...]  # what the record has no data for


def compare(stored: dict[str, Any], computed: dict[str, Any]) -> Comparison:
    """Every number in `stored` but what names the run, by its path such as `phantoms/lesions`."""
    again = dict(leaves(computed))
    equal, different, missing = 0, [], []
    for path, value in leaves({k: v for k, v in stored.items() if k not in SAID}):
        if path not in again:
            missing.append(path)
        elif _same(value, again[path]):
            equal += 1
        else:
            different.append(Difference(path, value, again[path]))
    return Comparison(equal, tuple(different), tuple(missing))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested dictionaries and lists with its path."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}/{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for number, value in enumerate(tree):
            yield from leaves(value, f"{path}/{number}")
    else:
        yield path, tree


def _same(stored: Any, computed: Any) -> bool:
    if isinstance(stored, float) and isinstance(computed, (int, float)):
        both_nan = isnan(stored) and isnan(computed)
        return both_nan or isclose(stored, computed, rel_tol=0, abs_tol=TOLERANCE)
    return bool(stored == computed)
