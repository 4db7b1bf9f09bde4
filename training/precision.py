"""What TensorRT's graphs would change: their precision against FP32, on held-out views.

Both run under onnxruntime, which computes FP16 as the graph says it. A GPU's own rounding comes on
top and shows only there.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from mammo.findings import RawView, probability
from mammo.scoring import Calibration
from training import exported
from training.datasets import cbis_ddsm
from training.datasets.store import Array, Gray
from training.evaluation import record
from training.material import Material
from training.recipe import Recipe

VIEWS = 200  # half of them real, where there are any
NEAR = 4.0  # prepared pixels between the middles of one mark in both


def measured(
    out: Path, chosen: Recipe, made: Material, fitted: Calibration, threads: int
) -> dict[str, Any]:
    """`precision.json`: the largest changes of scores, and the rank correlation of views."""
    path = out / record.PRECISION
    if path.is_file():
        return dict(json.loads(path.read_text()))
    graphs = exported.ensemble(out, chosen.members), exported.for_gpus(out, chosen.members)

    def both(picture: Gray) -> tuple[RawView, RawView]:
        image = np.ascontiguousarray(picture)[None]
        return graphs[0](image), graphs[1](image)

    with ThreadPoolExecutor(threads) as pool:  # onnxruntime leaves Python's lock alone
        pairs = list(pool.map(both, _views(made)))
    found = {"precision": chosen.precision, **compared(pairs, fitted)}
    path.write_text(json.dumps(found, indent=1))
    return found


def compared(pairs: Sequence[tuple[RawView, RawView]], fitted: Calibration) -> dict[str, Any]:
    """Views by their probability; marks that both found by each of their scores."""
    p = np.array([[probability(raw, fitted) for raw in pair] for pair in pairs])
    marks = np.concatenate([changes(*pair) for pair in pairs])
    names = ("detection", "lesion", "malignancy")
    return {
        "views": len(pairs),
        "marks": sum(one.count for one, _ in pairs),
        "marks_in_both": len(marks),
        "largest_change": {
            "view_probability": _rounded(np.abs(p[:, 0] - p[:, 1]).max(initial=0.0)),
            **{n: _rounded(x) for n, x in zip(names, marks.max(axis=0, initial=0.0), strict=True)},
        },
        "rank_correlation": round(float(spearmanr(p[:, 0], p[:, 1]).statistic), 6),
    }


def changes(one: RawView, other: RawView) -> Array:
    """By how much the scores of each mark differ that both found, (n, 3)."""
    mine, theirs = _middles(one), _middles(other)
    apart = np.linalg.norm(mine[:, None] - theirs[None], axis=2)
    found = [
        (i, int(row.argmin())) for i, row in enumerate(apart) if row.min(initial=np.inf) <= NEAR
    ]
    scores = [
        np.stack([raw.detection, raw.lesion, raw.malignancy], axis=1).astype(np.float64)
        for raw in (one, other)
    ]
    return np.array([np.abs(scores[0][i] - scores[1][j]) for i, j in found]).reshape(-1, 3)


def _views(made: Material) -> list[Gray]:
    stores = [made.stores["phantoms-validation"], *filter(None, [made.find(cbis_ddsm.NAME)])]
    share = VIEWS // len(stores)
    return [
        one.pictures[int(i)]
        for one in stores
        for i in np.linspace(0, len(one.views) - 1, min(share, len(one.views)))
    ]


def _middles(raw: RawView) -> Array:
    boxes = raw.boxes[: raw.count].astype(np.float64)
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _rounded(change: float) -> float:
    return round(float(change), 5)
