"""Torch, onnxruntime and Triton say the same at every model of an ensemble, and of it as a whole."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import parity
from nightread.settings import load_settings
from nightread.stack.foreground import served
from training import recipe
from triton_repo.release import load

pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_all_runtimes_say_the_same_at_every_joint(tiny: Path) -> None:
    release = load(tiny / "releases" / "tiny")
    with served(release, load_settings(stack_file=None), "ensemble") as server:
        pictures = parity.views(tiny, 4)
        found = parity.measured(tiny, recipe.load("quick"), pictures, server.url)
    for who, models in (("torch", release.graphs), ("triton", [*release.graphs, "screening"])):
        differences = found["largest_differences"][who]
        assert {name.split(".")[0] for name in differences} == set(models)
        for name, far in differences.items():
            assert far <= {"boxes": 0.5, "kind": 0, "count": 0}.get(name.split(".")[1], 1e-3), name


def test_boxes_are_met_by_place_and_what_has_none_is_counted() -> None:
    right = {
        "boxes": np.array([[0, 0, 20, 20], [50, 50, 90, 90], [0, 0, 0, 0]], np.float32),
        "detection": np.array([0.8, 0.8, 0.0], np.float32),
    }
    swapped = {
        "boxes": np.array([[50, 50.25, 90, 90], [0, 0, 20, 20.125], [0, 0, 0, 0]], np.float32),
        "detection": np.array([0.8, 0.8, 0.0], np.float32),
    }
    assert dict(parity.boxes_apart(right, swapped)) == {"boxes": 0.25, "boxes without a partner": 0}
    swapped["boxes"][0] += 100
    assert dict(parity.boxes_apart(right, swapped))["boxes without a partner"] == 1
