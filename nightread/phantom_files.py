"""Phantom studies as files: DICOM, masks and `truth.json`."""

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from mammo import phantoms
from nightread.cores import cores

DICOM, TRUTH = "studies", "truth.json"
MASKS = "masks"


def write(out: Path, studies: int, seed: int, done: Callable[[], None]) -> list[dict[str, Any]]:
    """Write `studies` phantoms below `out`, one core each; returns the truth, as in the file.

    `done` is called after each study.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Spawned, not forked: the parent may have threads of gRPC and OpenCV.
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        truth = []
        for record in pool.map(
            write_study, *zip(*((out, i, studies, seed) for i in range(studies)), strict=True)
        ):
            truth.append(record)
            done()
    (out / TRUTH).write_text(json.dumps(truth, indent=1) + "\n")
    return truth


def write_study(out: Path, index: int, studies: int, seed: int) -> dict[str, Any]:
    """Write one study of a set; returns its entry of the truth, paths relative to `out`."""
    cv2.setNumThreads(1)
    plan = phantoms.plan(studies, seed)[index]
    images = []
    for image in phantoms.render(plan, phantoms.Resolution.FULL):
        name = f"{index:05d}/{image.laterality}{image.projection}"
        path = out / DICOM / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(phantoms.encode(image))

        def mask(lesion: phantoms.Lesion, name: str = name) -> str:
            return f"{MASKS}/{name}-{lesion.id}.png"

        for lesion in image.lesions:
            where = out / mask(lesion)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(cv2.imencode(".png", image.mask(lesion))[1].tobytes())
        images.append(phantoms.image_truth(image, path.relative_to(out).as_posix(), mask))
    return asdict(phantoms.study_truth(plan, images))
