"""How well the breast is found, on real films beside the checkout.

    python -m benchmarks.breast [--quick] [--json] [--sheet docs/pictures/breast-sheet.jpg]

Data: ../shared/data; without it there is nothing to measure. `--sheet` draws films of CBIS-DDSM
(CC BY 3.0, R. S. Lee et al. 2017, reduced) with what was found.
"""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paired import Row, parser, show
from mammo.breast import Breast, find
from mammo.prepare import Preparation

DATA = Path(__file__).parents[2] / "shared" / "data"
SHEET_ROWS, SHEET_COLUMNS, TILE = 4, 12, (150, 230)


def gray(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def full_mask(found: Breast, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.repeat(np.repeat(found.mask, found.step, axis=0), found.step, axis=1)
    return mask[: shape[0], : shape[1]]


def overlaps() -> NDArray[np.float64]:
    """Intersection over union with masks drawn by hand, a film each."""
    folder = DATA / "ddsm-mlo-tissue"
    values = []
    with (folder / "labels.csv").open() as lines:
        for row in csv.DictReader(lines):
            truth = gray(folder / row["mask"]) != 64  # 64 is background
            mask = full_mask(find(gray(folder / row["file"])), truth.shape)
            values.append((mask & truth).sum() / (mask | truth).sum())
    return np.array(values)


def inside(collection: str, every: int) -> tuple[int, int]:
    """Lesion centres inside the crop, and all of them."""
    films: dict[str, list[tuple[float, float]]] = {}
    for line in (DATA / collection / "lesions.jsonl").read_text().splitlines():
        lesion = json.loads(line)
        if "bbox" in lesion:
            x0, y0, x1, y1 = lesion["bbox"]
            films.setdefault(lesion["file"], []).append(((x0 + x1) / 2, (y0 + y1) / 2))
        elif "cx" in lesion:
            films.setdefault(lesion["file"], []).append((lesion["cx"], lesion["cy"]))
    hits = total = 0
    for name in sorted(films)[::every]:
        box = find(gray(DATA / collection / name)).box
        margin = Preparation().margin * max(box.x1 - box.x0, box.y1 - box.y0)
        for x, y in films[name]:
            total += 1
            hits += (
                box.x0 - margin <= x <= box.x1 + margin and box.y0 - margin <= y <= box.y1 + margin
            )
    return hits, total


def measure(*, quick: bool) -> list[Row]:
    """Overlaps and shares of lesions, against the least that is wanted."""
    cv2.setNumThreads(1)
    if not DATA.is_dir():
        return []
    values = overlaps()
    median, tenth = float(np.median(values)), float(np.percentile(values, 10))
    films = f"{len(values)} DDSM films with masks drawn by hand"
    rows = [
        Row("overlap, median", median, 0.97, "IoU", median / 0.97, 1.0, films),
        Row("overlap, tenth percentile", tenth, 0.93, "IoU", tenth / 0.93, 1.0, films),
    ]
    for name in ("cbis-ddsm-mass-800", "cdd-cesm", "mini-mias"):
        hits, total = inside(name, 4 if quick else 1)
        share = hits / total
        case = f"lesions of {name} inside the crop"
        rows.append(Row(case, share, 0.99, "share", share / 0.99, 1.0, f"{total} lesions"))
    return rows


def sheet(path: Path) -> None:
    """Films of CBIS-DDSM with outline (red), box (yellow) and chest wall (green)."""
    paths = sorted((DATA / "cbis-ddsm-mass-800" / "images").iterdir())
    tiles = []
    for film in paths[:: len(paths) // (SHEET_ROWS * SHEET_COLUMNS)]:
        image = gray(film)
        found = find(image)
        tile = cv2.cvtColor(np.minimum(image * 1.6, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
        mask = full_mask(found, image.shape).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, outlines, -1, (60, 60, 255), 4)
        cv2.rectangle(tile, found.box[:2], found.box[2:], (0, 220, 255), 4)
        wall = 0 if found.side == "left" else image.shape[1] - 1
        colour = (80, 220, 80) if found.side_clear else (220, 80, 220)
        cv2.line(tile, (wall, 300), (wall, 500), colour, 24)
        tiles.append(cv2.resize(tile, TILE, interpolation=cv2.INTER_AREA))
    grid = [
        np.hstack(tiles[nth * SHEET_COLUMNS : (nth + 1) * SHEET_COLUMNS])
        for nth in range(SHEET_ROWS)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(grid), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    options = parser(__doc__ or "")
    options.add_argument("--sheet", type=Path, help="draw a contact sheet instead")
    given = options.parse_args()
    if given.sheet:
        sheet(given.sheet)
    else:
        show("Finding the breast", measure(quick=given.quick), as_json=given.json)
