"""What the detector marks: the classifier is asked about marks, so it must learn from marks.

A mark on a lesion is rarely the lesion's own box, and a false alarm is whatever looks most like a
lesion. Phantoms are searched on views that the detector was not trained on, since it knows the
others by heart and marks them better than it will mark anything else.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training import exported, patches
from training.datasets.record import Split
from training.datasets.store import Gray, Store, View
from training.material import Material
from training.networks.classifier import BENIGN, MALIGNANT, NOTHING
from training.patches import Example, Pool
from training.recipe import Recipe

WORST = 4  # false alarms kept of a view
# Where lesions are taught from, and where the detector is searched for marks.
SOURCES = (
    ("phantoms-train", "phantoms-unseen"),
    ("cbis-ddsm-mass-800", "cbis-ddsm-mass-800"),
)
SHARES = {MALIGNANT: 0.36, BENIGN: 0.30, NOTHING: 0.34}


def pools(out: Path, made: Material, chosen: Recipe, processes: int = 1) -> list[Pool]:
    """Lesions as they were drawn and as they are marked, half and half, and false alarms."""
    found = []
    shares = chosen.shares.by_store()
    for taught, searched in SOURCES:
        lesions, held = made.find(taught), made.find(searched)
        if lesions is None or held is None:
            continue
        path = out / f"marks-{searched}.json"
        if not path.is_file():
            search = exported.search(out, chosen.members.detectors)
            path.write_text(json.dumps(marks(search, held, held.where(Split.TRAIN), processes)))
        marked = [Example(i, tuple(box), what) for i, box, what in json.loads(path.read_text())]
        drawn = patches.lesions(lesions, lesions.where(Split.TRAIN))
        for outcome, share in SHARES.items():
            parts = [
                (store, alike)
                for store, examples in ((lesions, drawn), (held, marked))
                if (alike := [one for one in examples if one.outcome == outcome])
            ]
            found += [
                Pool(store, examples, share * shares[taught] / len(parts))
                for store, examples in parts
            ]
    return found


def marks(
    search: Callable[[Gray], exported.Found], held: Store, indices: Iterable[int], threads: int
) -> list[tuple[int, list[float], int]]:
    """View, box and outcome of what the detectors mark; of false alarms the best scored."""

    def of_view(index: int) -> list[tuple[int, list[float], int]]:
        found, alarms = [], 0
        for box in search(held.pictures[index]).boxes.tolist():
            outcome = _outcome(box, held.views[index])
            alarms += outcome == NOTHING
            if outcome is not None and (outcome != NOTHING or alarms <= WORST):
                found.append((index, [round(v, 1) for v in box], outcome))
        return found

    with ThreadPoolExecutor(threads) as pool:  # onnxruntime leaves Python's lock alone
        return [mark for found in pool.map(of_view, indices) for mark in found]


def _outcome(box: Sequence[float], view: View) -> int | None:
    """What lies under a mark's middle; nothing if it touches no lesion; None: cannot be said."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    hit = {
        lesion.malignant
        for lesion in view.lesions
        if lesion.box[0] <= x <= lesion.box[2] and lesion.box[1] <= y <= lesion.box[3]
    }
    if True in hit:
        return MALIGNANT
    if hit:
        return BENIGN if hit == {False} else None
    return None if _touches(box, view) else NOTHING


def _touches(box: Sequence[float], view: View) -> bool:
    places = [lesion.box for lesion in view.lesions] + list(view.ignored)
    return any(
        box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in places
    )
