"""Values of a header that may be missing, empty or not valid for their VR: none of it raises."""

from typing import Any

from pydicom import Dataset


def read(header: Dataset, keyword: str) -> Any:
    """A value, or None if it is missing, empty or not valid for its VR."""
    try:
        value = header.get(keyword)
    except Exception:  # noqa: BLE001 -- on values that are not valid for their VR pydicom raises anything
        return None
    return None if isinstance(value, str | bytes) and not value else value


def numbers(header: Dataset, keyword: str) -> list[float]:
    value = read(header, keyword)
    if value is None:
        return []
    try:
        several = [value] if isinstance(value, str | float | int) else list(value)
        return [float(v) for v in several]
    except (TypeError, ValueError):
        return []


def texts(header: Dataset, keyword: str) -> list[str]:
    value = read(header, keyword)
    if value is None:
        return []
    several = [value] if isinstance(value, str) else list(value)
    return [str(v).strip() for v in several]


def items(header: Dataset, keyword: str) -> list[Dataset]:
    value = read(header, keyword)
    try:
        return [item for item in value or () if isinstance(item, Dataset)]
    except Exception:  # noqa: BLE001 -- a broken item
        return []
