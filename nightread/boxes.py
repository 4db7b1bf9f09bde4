"""Boxes out of a JSON file: a plain list, a worklist, or a phantoms' `truth.json`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nightread.errors import UsageError


class Box(NamedTuple):
    """A box to draw."""

    corners: tuple[float, float, float, float]  # native pixels, x1 and y1 exclusive
    caption: str


def read(path: Path, sop_instance_uid: str | None) -> list[Box]:
    """The boxes of one image (None: a picture); those without an instance are of this one.

    Raises `UsageError` when the file is not JSON or a box is not four numbers.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        raise UsageError(
            f"{path} can't be read as JSON: give a list of boxes, or `nightread worklist --json`."
        ) from None
    try:
        return list(_boxes(document, sop_instance_uid, None))
    except (TypeError, ValueError):
        raise UsageError(f"A box in {path} is not four numbers x0, y0, x1, y1.") from None


def _boxes(node: Any, wanted: str | None, uid: str | None) -> Iterator[Box]:
    """Walk the document; an instance's UID holds for everything below it."""
    if isinstance(node, list):
        if node and all(isinstance(n, int | float) for n in node):
            yield Box(_corners(node), "")
            return
        for item in node:
            yield from _boxes(item, wanted, uid)
    elif isinstance(node, dict):
        uid = node.get("sop_instance_uid", uid)
        if "box" in node:
            if uid in (None, wanted):
                yield Box(_corners(node["box"]), _caption(node))
            return
        for value in node.values():
            if isinstance(value, list | dict):
                yield from _boxes(value, wanted, uid)


def _corners(values: list[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = map(float, values)
    return x0, y0, x1, y1


def _caption(node: dict[str, Any]) -> str:
    kind = str(node.get("kind", ""))
    if "probability" in node:
        return f"{kind} {node['probability']:.2f}"
    if "detectability" in node:
        label = "malignant" if node.get("malignant") else "benign"
        return f"{label} {kind}, d' {node['detectability']:.1f}"
    return kind
