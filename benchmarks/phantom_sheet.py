"""Phantoms beside real films, as one picture, and the texture slopes of both.

    python -m benchmarks.phantom_sheet --films ../shared/data/cbis-ddsm-mass-800/native \
        --out docs/pictures/phantoms.jpg

The slope is measured alike on both: on prepared views, in every window of 128 x 128 pixels that
lies in the breast, by the fit that the phantoms use to state detectability.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms import Label, PhantomImage, Resolution, plan, render
from mammo.phantoms.detectability import WINDOW, fit_spectrum
from mammo.phantoms.machines import Look
from mammo.prepare import Preparation, prepare_gray

Gray = NDArray[np.uint8]

HEIGHT, WIDTH = 420, 270  # pixels of one tile
AIR = 15  # grey: a window with a darker pixel is not inside the breast


def slopes(gray: Gray) -> list[float]:
    """Exponents of the texture's power in the windows of a picture that lie in the breast."""
    view = prepare_gray(gray, Preparation()).tensor[0]
    found = []
    for y in range(0, view.shape[0] - WINDOW + 1, WINDOW // 2):
        for x in range(0, view.shape[1] - WINDOW + 1, WINDOW // 2):
            window = view[y : y + WINDOW, x : x + WINDOW]
            if window.min() > AIR:
                found.append(fit_spectrum(window.astype(np.float32) / np.float32(255), 0.0).beta)
    return found


def tile(gray: Gray, words: str) -> Gray:
    """A picture fitted into a tile, with a line below."""
    scale = min((HEIGHT - 22) / gray.shape[0], WIDTH / gray.shape[1])
    size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    out = np.full((HEIGHT, WIDTH), 96, np.uint8)
    out[: size[1], : size[0]] = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    cv2.putText(out, words, (4, HEIGHT - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 255, 1, cv2.LINE_AA)
    return out


def films(folder: Path) -> list[tuple[Gray, str]]:
    """The real films of a folder."""
    found = []
    for path in sorted(folder.glob("*.webp")):
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if gray is None:
            raise SystemExit(f"{path.name} cannot be read: give a folder of pictures.")
        found.append((np.asarray(gray, np.uint8), f"real film {path.stem}"))
    if not found:
        raise SystemExit(f"No .webp film in {folder}: give the folder with --films.")
    return found


def phantoms(seed: int, look: Look, studies: int) -> Iterable[PhantomImage]:
    """All views of the first studies of a seed that have a look, with a lesion if they can."""
    wanted = [p for p in plan(60, seed) if p.machine.look is look and p.label is not Label.NORMAL]
    for study in wanted[:studies]:
        yield from render(study, Resolution.WORKING)


def main() -> None:
    """Write the sheet, print the slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=Path, required=True, help="folder of real films (.webp)")
    parser.add_argument("--out", type=Path, required=True, help="the picture, .jpg")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    cv2.setNumThreads(1)

    rows: list[list[Gray]] = []
    real = films(options.films)
    print("| picture | windows | slope, median | 10% to 90% |\n| --- | --- | --- | --- |")
    report("real films", [gray for gray, _ in real])
    for look in Look:
        made = list(phantoms(options.seed, look, 4))
        report(f"phantoms, {look}", [image.gray() for image in made])
        named = [
            tile(i.gray(), f"phantom {i.laterality} {i.projection}, density {i.plan.density}")
            for i in made
        ]
        rows.append(named[:4] + named[4:8])
    shown = [tile(gray, words) for gray, words in real[:8]]
    rows.insert(1, shown)
    sheet = np.vstack([np.hstack(row[i : i + 4]) for row in rows for i in (0, 4) if row[i : i + 4]])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"\n{options.out}: {options.out.stat().st_size // 1000} kB")


def report(name: str, pictures: Iterable[Gray]) -> None:
    """A row of the table."""
    found = [slope for gray in pictures for slope in slopes(gray)]
    low, middle, high = np.percentile(found, [10, 50, 90])
    print(f"| {name} | {len(found)} | {middle:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main()
