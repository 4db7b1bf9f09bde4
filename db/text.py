"""Strings from strangers' files, as Postgres can hold them."""

import math
from typing import Any


def storable(value: str) -> str:
    """`value` without what no text column takes: NUL and lone surrogates."""
    return value.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")


def storable_or_none(value: str | None) -> str | None:
    return None if value is None else storable(value)


def storable_json(value: Any) -> Any:
    """A JSON-able value as jsonb takes it: strings as above, NaN and infinities as null."""
    match value:
        case str():
            return storable(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable(str(key)): storable_json(item) for key, item in value.items()}
        case list() | tuple():
            return [storable_json(item) for item in value]
        case _:
            return value
