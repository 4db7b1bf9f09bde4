"""Whether the ensemble says of a release's reference views what it said when they were measured.

Places are met by where they lie, not by rank: two of nearly one score may change ranks, and the
last of a full list may give way to one that was nearly as good.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from mammo.findings import RawView
from triton_repo.contract import Sizes
from triton_repo.release import Answer, Release, ReleaseError, Target, Tolerance

Ask = Callable[[NDArray[np.uint8]], RawView]


def tolerances(finding_threshold: float) -> dict[Target, Tolerance]:
    """How far each target may be off."""
    return {
        "cpu": Tolerance(score=1e-3, box=0.5),
        # Twice as far as half precision goes, and more for boxes: with the inputs, weights and
        # outputs of base-2026-11e's convolutions rounded to FP16, 60 boxes in 36 phantom views
        # were off by 0.037 and 0.2 pixels at most. Below the threshold places change by nature.
        "tensorrt": Tolerance(score=0.08, box=1.0, least=finding_threshold),
    }


def write(path: Path, view: NDArray[np.uint8]) -> None:
    """A prepared view (1, height, width) as a PNG, which loses nothing."""
    path.write_bytes(imagecodecs.png_encode(view[0], level=9))


def read(path: Path, sizes: Sizes) -> NDArray[np.uint8]:
    """What `write` wrote; raises `ReleaseError` when it is no view of these sizes."""
    wanted = f"a gray PNG of {sizes.width} x {sizes.height}"
    try:
        picture = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    except (ValueError, imagecodecs.PngError):
        raise ReleaseError(f"{path.name} is not {wanted}.") from None
    if picture.shape != (sizes.height, sizes.width) or picture.dtype != np.uint8:
        raise ReleaseError(f"{path.name} is not {wanted}.")
    return picture[None]


def problems(release: Release, ask: Ask, target: Target) -> Iterator[str]:
    """One sentence for each view whose answer on `target` is another one; `ask` gives the answer."""
    known = release.manifest.reference
    if not known.views or target not in known.tolerances:
        yield f"It has no reference views, or no tolerance for {target}: build it again."
        return
    for name, right in known.views.items():
        try:
            said = ask(read(release.folder / name, release.manifest.sizes))
        except ReleaseError as error:
            yield str(error)
            continue
        wrong = difference(right, said, known.tolerances[target])
        if wrong:
            yield f"Of {name} {wrong}."


def difference(right: Answer, said: RawView, tolerance: Tolerance) -> str | None:
    """The first figure that is further off than it may be, in words, or None."""
    found = said.boxes[: said.count]
    wanted = np.array(right.boxes, np.float64).reshape(-1, 4)
    apart = np.abs(wanted[:, None] - found[None]).max(axis=2, initial=0.0)  # prepared pixels
    pairs = _nearest(apart, tolerance.box)
    limit, full = tolerance.score, len(said.boxes)
    for number, sure in enumerate(right.detection):
        if sure < tolerance.least:
            continue
        met = pairs.get(number)
        if met is not None:
            for name in ("detection", "lesion", "malignancy"):
                wrong = _off(getattr(said, name)[met], getattr(right, name)[number], limit)
                if wrong:
                    return f"{name} of box {number} {wrong}"
        elif not sure <= _last(said.detection[: said.count], full) + limit:
            far = apart[number].min(initial=np.inf)
            return f"box {number} has none within {tolerance.box:g} pixels (the next: {far:.2f})"
    for number in set(range(said.count)) - set(pairs.values()):
        sure = float(said.detection[number])
        rank = max(_last(np.array(right.detection), full), tolerance.least)
        if not sure <= rank + limit:  # so that a NaN is wrong
            return f"there is a box of detection {sure:.4f} that is none"
    if right.suspicion is None or said.suspicion is None:
        return "one side alone judges the whole" if right.suspicion != said.suspicion else None
    wrong = _off(said.suspicion, right.suspicion, limit)
    return f"suspicion {wrong}" if wrong else None


def _off(said: float, right: float, limit: float) -> str | None:
    if abs(said - right) <= limit:
        return None
    return f"is {said:.4f} where {right:.4f} is right ({limit:g} may be)"


def _last(detection: NDArray[np.floating], full: int) -> float:
    """How sure a box can be that is not in a list of at most `full`, the best first."""
    return float(detection.min()) if len(detection) >= full else 0.0


def _nearest(apart: NDArray[np.floating], most: float) -> dict[int, int]:
    """Rows and columns that lie together, the closest first; each is met once."""
    pairs: dict[int, int] = {}
    for place in np.argsort(apart, axis=None):
        row, column = map(int, np.unravel_index(place, apart.shape))
        if row not in pairs and column not in pairs.values() and apart[row, column] <= most:
            pairs[row] = column
    return pairs
