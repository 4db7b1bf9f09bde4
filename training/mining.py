"""What the detector takes for lesions on training views: the classifier must know it too."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training import patches
from training.datasets.record import Split
from training.datasets.store import Store, View
from training.material import Material
from training.networks.classifier import NOTHING
from training.patches import Example, Pool
from training.recipe import Recipe
from training.search import Search

WORST = 4  # false alarms kept of a view
MINED = 600  # views of each store that are searched


def pools(
    out: Path, finding: Path, made: Material, chosen: Recipe, processes: int = 1
) -> list[Pool]:
    """Malignant and benign lesions and false alarms of each store that can teach the difference."""
    found = []
    shares = chosen.shares.by_store()
    for name in ("phantoms-train", "cbis-ddsm-mass-800"):
        held = made.find(name)
        if held is None:
            continue
        indices = held.where(Split.TRAIN)
        path = out / f"false-alarms-{name}.json"
        if not path.is_file():
            searched = indices[:: _stride(indices)]
            path.write_text(json.dumps(false_alarms(finding, held, searched, processes)))
        alarms = [Example(i, tuple(box), NOTHING) for i, box in json.loads(path.read_text())]
        for examples, part in (
            (patches.lesions(held, indices, malignant=True), 0.36),
            (patches.lesions(held, indices, malignant=False), 0.30),
            (alarms, 0.34),
        ):
            if examples:
                found.append(Pool(held, examples, part * shares[name]))
    return found


def _stride(indices: Sequence[int]) -> int:
    return max(1, len(indices) // MINED)


def false_alarms(
    finding: Path, held: Store, indices: Iterable[int], threads: int
) -> list[tuple[int, list[float]]]:
    """The best-scored detections that touch neither a lesion nor an ignored place."""
    search = Search(finding)

    def of_view(index: int) -> list[tuple[int, list[float]]]:
        boxes = search(held.pictures[index]).boxes.tolist()
        free = [box for box in boxes if not _touches(box, held.views[index])]
        return [(index, [round(v, 1) for v in box]) for box in free[:WORST]]

    with ThreadPoolExecutor(threads) as pool:  # onnxruntime leaves Python's lock alone
        return [alarm for found in pool.map(of_view, indices) for alarm in found]


def _touches(box: Sequence[float], view: View) -> bool:
    places = [lesion.box for lesion in view.lesions] + list(view.ignored)
    return any(
        box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in places
    )
