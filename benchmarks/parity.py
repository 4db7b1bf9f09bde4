"""Whether torch, onnxruntime and Triton say the same: `python -m benchmarks.parity RUN RELEASE`.

Every model of a run's ensemble is asked the same, on prepared views, real and phantom: its torch
module, its graph under onnxruntime, and the model that a Triton of its own serves (of the release
that the run made, in the profile `ensemble`). All are given what onnxruntime said before, so that
a difference is one model's own; the whole ensemble too is asked of Triton. Writes RUN/parity.json.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tritonclient.grpc as triton
from numpy.typing import NDArray

from mammo.prepare import Preparation
from nightread.settings import load_settings
from nightread.stack.foreground import served
from training import exported, recipe
from training import served as networks
from training.datasets import cbis_ddsm, store
from training.datasets.store import Gray
from training.recipe import Recipe
from triton_repo import contract
from triton_repo.contract import ENSEMBLE, Model, Step
from triton_repo.graphs import Graphs
from triton_repo.release import load

PARITY = "parity.json"
SAME = 1e-3  # two scores; the boxes of one place have the same score within this
THREADS = 2
Tensors = dict[str, NDArray[Any]]  # of one view, by name, without the batch axis
Ask = Callable[[Model, Tensors], Tensors]  # a model's outputs for its inputs


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("release", type=Path, help="the folder of the release that it made")
    parser.add_argument("--recipe", default="ensemble", help="the run's recipe")
    parser.add_argument("--views", type=int, default=200, help="half of them phantoms")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    pictures = views(given.run, given.views)
    with served(load(given.release), load_settings(stack_file=None), "ensemble") as server:
        found = measured(given.run, recipe.load(given.recipe), pictures, server.url)
    (given.run / PARITY).write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def views(run: Path, count: int) -> list[Gray]:
    """Prepared views of the run, evenly from held-back phantoms and from real pictures."""
    names = ("phantoms-validation", cbis_ddsm.NAME)
    found = [store.open_store(run / name, Preparation()) for name in names]
    stores = [one for one in found if one is not None]
    return [
        np.array(one.pictures[int(i)])
        for one in stores
        for i in np.linspace(0, len(one.views) - 1, count // len(stores))
    ]


def measured(run: Path, chosen: Recipe, pictures: list[Gray], url: str) -> dict[str, Any]:
    """The largest differences from onnxruntime over all views, by model and tensor."""
    height, width = pictures[0].shape
    sizes = contract.Sizes(height, width, chosen.boxes)
    steps = contract.steps(sizes, chosen.members)
    whole = contract.ensemble(sizes, chosen.members)
    graphs = Graphs(steps, exported.files(run, chosen.members))
    ask_torch, ask_triton = _torch(run, chosen, sizes, steps), _triton(url)
    everything = Step(whole, _same(whole.inputs), _same(whole.outputs))

    def look(picture: Gray) -> list[tuple[str, str, float]]:
        known = graphs.tensors(np.ascontiguousarray(picture)[None])
        asked = [
            *(("torch", step, ask_torch) for step in steps),
            *(("triton", step, ask_triton) for step in (*steps, everything)),
        ]
        return [
            (who, f"{step.model.name}.{name}", far)
            for who, step, ask in asked
            for name, far in _apart(step, known, ask)
        ]

    with ThreadPoolExecutor(THREADS) as pool:
        seen = [one for found in pool.map(look, pictures) for one in found]
    worst: dict[str, dict[str, float]] = defaultdict(dict)
    for who, name, far in seen:
        worst[who][name] = max(worst[who].get(name, 0.0), float(f"{far:.2g}"))
    return {"views": len(pictures), "ensemble": ENSEMBLE, "largest_differences": worst}


def _apart(step: Step, known: Tensors, ask: Ask) -> Iterator[tuple[str, float]]:
    """How far what is answered lies from what is known, tensor by tensor."""
    right = {own: known[name] for own, name in step.writes.items()}
    said = ask(step.model, {own: known[name] for own, name in step.reads.items()})
    ranked = "boxes" in right
    if ranked:
        yield from boxes_apart(right, said)
    for name, value in right.items():
        if name != "boxes":
            # Boxes of equal scores may change places: then scores are compared by rank.
            one, other = (np.sort(x, axis=None) if ranked else x for x in (value, said[name]))
            yield name, float(np.abs(one.astype(np.float64) - other).max())


def boxes_apart(right: Tensors, said: Tensors) -> Iterator[tuple[str, float]]:
    """By the nearest of the same score; how many of the boxes have none."""
    far, alone = 0.0, 0
    for box, score in zip(right["boxes"], right["detection"], strict=True):
        if score <= 0:
            continue
        near = np.abs(said["detection"] - score) < SAME
        gap = np.abs(said["boxes"][near] - box).max(axis=1).min(initial=np.inf)
        if gap < min(box[2] - box[0], box[3] - box[1]):
            far = max(far, float(gap))
        else:
            alone += 1
    yield "boxes", far
    yield "boxes without a partner", float(alone)


def _torch(run: Path, chosen: Recipe, sizes: contract.Sizes, steps: tuple[Step, ...]) -> Ask:
    names = [step.model.name for step in steps]
    modules = {name: networks.model(run, chosen, sizes, name) for name in names}

    def ask(model: Model, inputs: Tensors) -> Tensors:
        given = (torch.from_numpy(inputs[tensor.name][None]) for tensor in model.inputs)
        with torch.inference_mode():
            said = modules[model.name](*given)
        parts = said if isinstance(said, tuple) else (said,)
        named = zip(model.outputs, parts, strict=True)
        return {tensor.name: part[0].numpy() for tensor, part in named}

    return ask


def _triton(url: str) -> Ask:
    client = triton.InferenceServerClient(url, channel_args=[("grpc.enable_http_proxy", 0)])

    def ask(model: Model, inputs: Tensors) -> Tensors:
        tensors = []
        for tensor in model.inputs:
            one = triton.InferInput(tensor.name, [1, *tensor.dims], tensor.dtype)
            one.set_data_from_numpy(np.ascontiguousarray(inputs[tensor.name][None]))
            tensors.append(one)
        said = client.infer(model.name, tensors)
        return {tensor.name: said.as_numpy(tensor.name)[0] for tensor in model.outputs}

    return ask


def _same(tensors: tuple[contract.Tensor, ...]) -> dict[str, str]:
    return {tensor.name: tensor.name for tensor in tensors}


if __name__ == "__main__":
    main()
