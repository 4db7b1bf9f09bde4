"""The breast is found in real films and in what archives do to them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mammo.breast import Breast, find

MARGIN = 0.02  # of the box's longer side, as a release's default preparation has it


def breast_and_field(rows: int = 1000, columns: int = 760, fog: int = 0) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    distance = np.sqrt((x / 420) ** 2 + ((y - rows / 2) / 380) ** 2)
    gray = np.clip((1 - distance) * 900, 0, 130) + np.where(distance < 1, (x // 3 + y // 2) % 61, 0)
    return np.clip(gray + fog, 0, 255).astype(np.uint8)


def overlap(found: Breast, truth: np.ndarray) -> float:
    """Intersection over union at full size."""
    rows, columns = truth.shape
    mask = np.repeat(np.repeat(found.mask, found.step, axis=0), found.step, axis=1)
    mask = mask[:rows, :columns]
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.fixture
def truth() -> np.ndarray:
    y, x = np.mgrid[:1000, :760]
    return (x / 420) ** 2 + ((y - 500) / 380) ** 2 < 1


def disturbed(kind: str) -> np.ndarray:
    gray = breast_and_field(fog=18 if kind == "fog" else 0)
    if kind == "letters":
        for text, at in (("RCC", (520, 120)), ("R", (640, 240))):
            cv2.putText(gray, text, at, cv2.FONT_HERSHEY_SIMPLEX, 3, 255, 14)
    if kind == "label":
        gray[30:180, 500:720] = 250
    if kind == "tape":
        gray[700:740, 400:760] = 90
    if kind == "frame":
        gray[:12], gray[-20:], gray[:, -15:], gray[:, :6] = 255, 240, 250, 255
    if kind == "dim frame":
        gray[:5], gray[-4:], gray[:, -6:] = 70, 60, 90
    if kind == "dim fat":  # the gland alone does not reach the chest wall
        y, x = np.mgrid[:1000, :760]
        gland = np.hypot(x - 230, y - 500) < 130
        gray = np.where(gland, 200, np.where(gray > 0, 15, 0)).astype(np.uint8)
    if kind == "band":
        gray[:, -90:] = 245
    return gray


@pytest.mark.parametrize(
    "kind", ["nothing", "fog", "letters", "label", "tape", "frame", "dim frame", "dim fat", "band"]
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_breast_survives_what_archives_do(kind: str, mirrored: bool, truth: np.ndarray) -> None:
    gray = disturbed(kind)
    if mirrored:
        gray, truth = gray[:, ::-1], truth[:, ::-1]
    found = find(np.ascontiguousarray(gray))
    assert overlap(found, truth) > 0.93
    assert (found.side, found.side_clear) == ("right" if mirrored else "left", True)
    x = (760 - 420, 760) if mirrored else (0, 420)
    assert np.abs(np.array(found.box) - [x[0], 120, x[1], 880]).max() < 20


def test_black_padding_around_a_film_is_not_its_field(truth: np.ndarray) -> None:
    found = find(cv2.copyMakeBorder(breast_and_field(), 0, 0, 200, 250, cv2.BORDER_CONSTANT))
    assert (found.side, found.side_clear) == ("left", True)
    assert abs(found.box.x0 - 200) < 12


def test_inversion_is_noticed_with_either_background() -> None:
    for fog in (0, 18):
        assert not find(breast_and_field(fog=fog)).inverted
        assert find(255 - breast_and_field(fog=fog)).inverted


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (30, 20)])
@pytest.mark.parametrize("fill", [0, 128, 255])
def test_any_picture_has_an_answer(shape: tuple[int, int], fill: int) -> None:
    found = find(np.full(shape, fill, np.uint8))
    assert 0 <= found.box.x0 < found.box.x1 <= shape[1]
    assert 0 <= found.box.y0 < found.box.y1 <= shape[0]


def test_overlap_with_masks_drawn_by_hand(shared: Path) -> None:
    """The bounds that the finder is meant to keep: 0.97 in the median, 0.93 at the 10th percentile."""
    folder = shared / "data" / "ddsm-mlo-tissue"
    overlaps, sides = [], []
    with (folder / "labels.csv").open() as lines:
        for row in csv.DictReader(lines):
            found = find(cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE))
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE) != 64
            overlaps.append(overlap(found, mask))
            sides.append(found.side == row["chest_wall_side"] and found.side_clear)
    assert len(overlaps) == 66
    assert np.median(overlaps) >= 0.97
    assert np.percentile(overlaps, 10) >= 0.93
    assert all(sides)


def centres(folder: Path, every: int) -> Iterator[tuple[Path, list[tuple[float, float]]]]:
    """Films, and the middles of their lesions in stored pixels."""
    films: dict[str, list[tuple[float, float]]] = {}
    for line in (folder / "lesions.jsonl").read_text().splitlines():
        lesion = json.loads(line)
        if lesion["shape"] == "circle" and "cx" in lesion:
            films.setdefault(lesion["file"], []).append((lesion["cx"], lesion["cy"]))
        elif "bbox" in lesion:
            x0, y0, x1, y1 = lesion["bbox"]
            films.setdefault(lesion["file"], []).append(((x0 + x1) / 2, (y0 + y1) / 2))
    for name in sorted(films)[::every]:
        yield folder / name, films[name]


@pytest.mark.parametrize(
    ("collection", "every"),
    [
        ("cbis-ddsm-mass-800", 12),
        ("cdd-cesm", 3),
        ("mini-mias", 1),
        pytest.param("cbis-ddsm-mass-800", 1, marks=pytest.mark.slow),
        pytest.param("cdd-cesm", 1, marks=pytest.mark.slow),
    ],
)
def test_lesions_lie_inside_the_crop(shared: Path, collection: str, every: int) -> None:
    lesions = inside = 0
    for path, places in centres(shared / "data" / collection, every):
        box = find(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)).box
        margin = MARGIN * max(box.x1 - box.x0, box.y1 - box.y0)
        for x, y in places:
            lesions += 1
            inside += (
                box.x0 - margin <= x <= box.x1 + margin and box.y0 - margin <= y <= box.y1 + margin
            )
    assert lesions >= 90
    assert inside >= 0.99 * lesions


def test_the_chest_wall_is_found_on_the_side_that_people_saw(shared: Path) -> None:
    folder = shared / "data" / "cbis-ddsm-mass-800"
    with (folder / "labels.csv").open() as lines:
        rows = list(csv.DictReader(lines))[::12]
    found = [find(cv2.imread(str(folder / r["file"]), cv2.IMREAD_GRAYSCALE)) for r in rows]
    wrong = [f for f, r in zip(found, rows, strict=True) if f.side != r["chest_wall_side"]]
    assert len(wrong) <= 0.01 * len(rows)
    assert sum(f.side_clear for f in found) >= 0.97 * len(rows)


@pytest.mark.parametrize("collection", ["ddsm-mlo-tissue", "cbis-ddsm-mass-800", "cdd-cesm"])
def test_inversion_is_noticed_on_real_images(shared: Path, collection: str) -> None:
    paths = sorted((shared / "data" / collection / "images").iterdir())
    for path in paths[:: len(paths) // 12]:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert not find(gray).inverted
        assert find(255 - gray).inverted
