"""The figures and pictures of docs/phantoms.md.

    python -m benchmarks.phantom_sheet --films ../shared/data/cbis-ddsm-mass-800/native \
        --out docs/pictures

Writes phantoms.jpg (phantoms beside real films) and phantoms-shapes.png (a few lesions of each
kind as they are before they are put into tissue); prints texture slopes and processor seconds.

The slope is measured alike on both: on prepared views, in every window of 128 x 128 pixels that
lies in the breast, by the fit that the phantoms use to state detectability.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms import (
    Label,
    PhantomImage,
    Resolution,
    background,
    draw_lesion,
    encode,
    insert,
    plan,
    render,
)
from mammo.phantoms.detectability import WINDOW, fit_spectrum
from mammo.phantoms.machines import Look
from mammo.phantoms.shapes import CLUSTERS, MASSES, Morphology, is_mass, stamp
from mammo.prepare import Preparation, prepare_gray

Gray = NDArray[np.uint8]

HEIGHT, WIDTH = 400, 270  # pixels of one tile
CELL = 90  # pixels of one lesion
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


def sheet(real: list[tuple[Gray, str]], seed: int) -> Gray:
    """Digital phantoms, real films, film phantoms: two rows of four each. Prints the slopes."""
    print("| picture | windows | slope, median | 10% to 90% |\n| --- | --- | --- | --- |")
    report("real films", [gray for gray, _ in real])
    rows = [[tile(gray, words) for gray, words in real[:8]]]
    for look, at in ((Look.DIGITAL, 0), (Look.FILM, 2)):
        made = [
            (image.gray(), f"phantom {image.laterality} {image.projection}, {image.plan.density}")
            for image in phantoms(seed, look, 4)
        ]
        report(f"phantoms, {look}", [gray for gray, _ in made])
        rows.insert(at, [tile(gray, words) for gray, words in made[:8]])
    return np.vstack([np.hstack(row[i : i + 4]) for row in rows for i in (0, 4)])


def shapes() -> Gray:
    """Six lesions of each kind: benign kinds at the left, malignant ones at the right."""
    columns = []
    for bad in (False, True):
        kinds = [*MASSES[bad], *CLUSTERS[bad]]
        rows = [np.hstack([_cell(kind, seed) for seed in range(6)]) for kind in kinds]
        for row, kind in zip(rows, kinds, strict=True):
            cv2.putText(row, kind, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1, cv2.LINE_AA)
        blank = np.zeros((CELL * (7 - len(rows)), CELL * 6), np.uint8)
        columns.append(np.vstack([*rows, blank]))
    return np.hstack(columns)


def _cell(kind: Morphology, seed: int) -> Gray:
    spacing = 0.13 if is_mass(kind) else 0.065
    picture = stamp(np.random.default_rng(seed), kind, 5.0 if is_mass(kind) else 3.6, spacing)
    small = cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small / small.max() * 235, 0, 255), np.uint8)


def costs(seed: int, studies: int) -> None:
    """Processor seconds of one thread: studies at both sizes, and what training does."""
    for resolution, finish in ((Resolution.FULL, encode), (Resolution.WORKING, PhantomImage.gray)):
        start = time.process_time()
        for study in plan(studies, seed):
            for image in render(study, resolution):
                finish(image)
        spent = (time.process_time() - start) / studies
        print(f"study, {resolution.name.lower()} size: {spent:.2f} s")
    steps = dict.fromkeys(("background", "draw_lesion", "insert"), 0.0)
    for n in range(studies):
        marks = [time.process_time()]
        view = background(seed + n)
        marks.append(time.process_time())
        lesion = draw_lesion(np.random.default_rng(n), view, malignant=bool(n % 2))
        marks.append(time.process_time())
        insert(view, [lesion] if lesion else [])
        marks.append(time.process_time())
        for name, before, after in zip(steps, marks, marks[1:], strict=False):
            steps[name] += (after - before) / studies
    for name, seconds in steps.items():
        print(f"{name}: {1000 * seconds:.0f} ms")


def main() -> None:
    """Write the pictures, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=Path, required=True, help="folder of real films (.webp)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the two pictures")
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--studies", type=int, default=12, help="how many are timed")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 84]
    cv2.imwrite(
        str(options.out / "phantoms.jpg"), sheet(films(options.films), options.seed), quality
    )
    cv2.imwrite(str(options.out / "phantoms-shapes.png"), shapes())
    costs(options.seed, options.studies)


def report(name: str, pictures: Iterable[Gray]) -> None:
    """A row of the table."""
    found = [slope for gray in pictures for slope in slopes(gray)]
    low, middle, high = np.percentile(found, [10, 50, 90])
    print(f"| {name} | {len(found)} | {middle:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main()
