"""Inference through Triton against the same graphs run in the worker itself; the shapes of Triton.

    python -m benchmarks.serving [--quick] [--json]

Drawn views of the newest release's size; one client with as many requests in flight as a worker
has. CPU seconds are those of all processes concerned: server, its model instances and client. What
a picture costs on its way is measured with a model that reads one pixel. Servers of its own.
`--quick` leaves instances, requests in flight and batches out.
"""

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle, islice
from math import prod
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import psutil
from numpy.typing import NDArray
from tritonclient import grpc
from tritonclient.utils import shared_memory

from benchmarks.paired import Row, as_a_worker, parser, show
from mammo import phantoms
from mammo.findings import RawView
from mammo.phantoms import Resolution
from mammo.prepare import prepare_gray
from nightread.releases import newest
from nightread.settings import load_settings
from nightread.stack import foreground
from nightread.stack.foreground import Server
from ray_jobs.inference.client import IN_FLIGHT, TritonClient, TritonConfig
from triton_repo.build import build
from triton_repo.configs import CPU_INSTANCES, Profile
from triton_repo.contract import Dtype, Model, Tensor
from triton_repo.graphs import Graphs
from triton_repo.release import DEFAULT_DIR, Manifest, Release, load

Views = Sequence[NDArray[np.uint8]]  # each (1, height, width)

SEED = 78
QUICK, FULL = 8, 24  # views
ROUND = 4  # views that go one way before the next way has its turn
PROFILES: tuple[Profile, ...] = ("cpu", "ensemble")
OVERHEAD_BOUND = 1.15  # Triton over the graphs alone
VIEW_BOUND = 1.15  # core-seconds of all members together
FEWER = (1, 2)  # requests in flight, beside a worker's own
BATCHES = (1, 2, 4)
OFTEN = 100  # views that go one way before the next, where nothing is computed
KINDS: dict[Dtype, int] = {
    "UINT8": onnx.TensorProto.UINT8,
    "FP32": onnx.TensorProto.FLOAT,
    "INT32": onnx.TensorProto.INT32,
}
DIRECT = [("grpc.enable_http_proxy", 0)]  # loopback needs no proxy

# Takes a picture as it comes, makes of it what the graphs would be given, and reads one pixel.
READER = b"""
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        picture = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        middle = picture.shape[2] // 2
        pixel = picture.astype(np.uint8, copy=False)[0, 0, middle, :1]
        return pb_utils.InferenceResponse([pb_utils.Tensor("pixel", pixel)])
"""


class Cost(NamedTuple):
    """Of one view."""

    cpu: float  # seconds, of all processes together
    wall: float  # seconds by the clock, over views


Way = Callable[[Sequence[int]], Cost]  # one way of doing the same with views, by their places


def drawn(manifest: Manifest, count: int) -> Views:
    """Phantom views as a worker would send them."""
    images = (
        image
        for plan in phantoms.plan(count, SEED)
        for image in phantoms.render(plan, Resolution.WORKING)
    )
    return [
        prepare_gray(image.gray(), manifest.preparation, image.laterality).tensor
        for image in islice(images, count)
    ]


class _Worker:
    """What a process of the peer holds."""

    graphs: Graphs
    views: Views


def _begin(release: Release, views: Views, ready: Barrier) -> None:
    cv2.setNumThreads(1)
    _Worker.graphs, _Worker.views = Graphs.of(release), views
    _Worker.graphs(views[0])  # as the canary has been through each of Triton's instances
    ready.wait()


def _alone(place: int) -> float:
    """CPU seconds of one view."""
    began = time.process_time()
    _Worker.graphs(_Worker.views[place])
    return time.process_time() - began


@contextmanager
def in_process(release: Release, views: Views) -> Iterator[Way]:
    """The graphs in as many processes as Triton has instances, which hold the views already."""
    spawn = get_context("spawn")
    begun = (release, views, spawn.Barrier(CPU_INSTANCES))
    with ProcessPoolExecutor(CPU_INSTANCES, spawn, initializer=_begin, initargs=begun) as pool:

        def run(places: Sequence[int]) -> Cost:
            began = time.perf_counter()
            cpu = sum(pool.map(_alone, places))
            return Cost(cpu / len(places), (time.perf_counter() - began) / len(places))

        yield run


def in_batches(graphs: Graphs, views: Views, size: int) -> Way:
    """Graphs of any batch in this process, so many views at once."""

    def run(places: Sequence[int]) -> Cost:
        began, began_cpu = time.perf_counter(), time.process_time()
        for first in range(0, len(places), size):
            graphs.batch(np.stack([views[place] for place in places[first : first + size]]))
        cpu, wall = time.process_time() - began_cpu, time.perf_counter() - began
        return Cost(cpu / len(places), wall / len(places))

    return run


@contextmanager
def served(
    release: Release, profile: Profile = "cpu", instances: int = CPU_INSTANCES
) -> Iterator[Server]:
    """A Triton over the release, in one profile and with so many instances of each model."""
    with tempfile.TemporaryDirectory(prefix="nr-serving-") as name:
        if instances != CPU_INSTANCES:
            release = _with_instances(release, Path(name), instances)
        with foreground.served(release, load_settings(stack_file=None), profile) as server:
            yield server


def _with_instances(release: Release, folder: Path, count: int) -> Release:
    copy = replace(release, folder=folder)
    shutil.copytree(release.models, copy.models)
    for path in copy.models.rglob("*.pbtxt"):
        told = path.read_text()
        path.write_text(told.replace(f"count: {CPU_INSTANCES} ", f"count: {count} "))
    return copy


def cost(server: Server, times: int, work: Callable[[], Any]) -> Cost:
    """Of one of the `times` requests that `work` makes: of the server and of this process."""
    parent = psutil.Process(server.process.pid)
    family = [parent, *parent.children()]

    def cpu() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in family) + time.process_time()

    began, began_cpu = time.perf_counter(), cpu()
    work()
    return Cost((cpu() - began_cpu) / times, (time.perf_counter() - began) / times)


@contextmanager
def ensemble(
    server: Server, release: Release, views: Views, in_flight: int = IN_FLIGHT
) -> Iterator[Way]:
    """The release's ensemble, asked by the job's own client."""
    client = TritonClient(TritonConfig((server.url,), None), release.manifest)

    def ask(places: Sequence[int]) -> None:
        flying: set[Future[RawView]] = set()
        for place in places:
            if len(flying) == in_flight:
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                _results(done)
            flying.add(client.submit(views[place]))
        _results(flying)

    try:
        yield lambda places: cost(server, len(places), lambda: ask(places))
    finally:
        client.close()


def _results(asked: set[Future[RawView]]) -> None:
    """Waits for them, and raises what one of them raised."""
    for one in asked:
        one.result()


def often(way: Way) -> Way:
    """The same for what takes so little that it is done many times at each turn."""
    return lambda places: way(list(islice(cycle(places), OFTEN)))


def idle(release: Release, folder: Path) -> Release:
    """A release of the same shape whose graphs compute nothing: what is left is serving."""
    graphs = {}
    for step in release.steps:
        graphs[step.model.name] = folder / f"{step.model.name}.onnx"
        onnx.save(_constant(step.model), graphs[step.model.name])
    told = release.manifest
    return build(
        folder / "idle",
        graphs=graphs,
        sizes=told.sizes,
        members=told.members,
        preparation=told.preparation,
        calibration=told.calibration,
        scale=told.scale,
        finding_threshold=told.finding_threshold,
        valid_for=told.valid_for,
        description="finds nothing",
        intended_use="measuring what serving costs",
        card="",
    )


def _constant(model: Model) -> onnx.ModelProto:
    def shape(tensor: Tensor) -> onnx.ValueInfoProto:
        return onnx.helper.make_tensor_value_info(
            tensor.name, KINDS[tensor.dtype], [1, *tensor.dims]
        )

    def zeros(tensor: Tensor) -> onnx.NodeProto:
        kind, dims = KINDS[tensor.dtype], [1, *tensor.dims]
        value = onnx.helper.make_tensor(tensor.name, kind, dims, [0] * prod(dims))
        return onnx.helper.make_node("Constant", [], [tensor.name], value=value)

    inputs, outputs = (list(map(shape, some)) for some in (model.inputs, model.outputs))
    whole = onnx.helper.make_graph(list(map(zeros, model.outputs)), model.name, inputs, outputs)
    opset = onnx.helper.make_opsetid("", 18)
    return onnx.helper.make_model(whole, opset_imports=[opset], ir_version=10)


@contextmanager
def carried(server: Server, views: Views) -> Iterator[dict[str, Way]]:
    """How a picture can come to a model: as bytes, in shared memory, as bytes of FP16."""
    dims, size = [1, *views[0].shape], views[0].nbytes
    with ExitStack() as stack:
        client = grpc.InferenceServerClient(server.url, channel_args=DIRECT)
        stack.callback(client.close)
        for dtype in ("UINT8", "FP16"):
            told = json.dumps(_reader(dims, dtype))
            client.load_model(dtype, config=told, files={"file:1/model.py": READER})
        name = f"nightread_view_{secrets.token_hex(4)}"
        region = shared_memory.create_shared_memory_region(name, name, size, create_only=True)
        stack.callback(shared_memory.destroy_shared_memory_region, region)
        client.register_system_shared_memory(name, f"/{name}", size)
        stack.callback(client.unregister_system_shared_memory, name)

        def as_bytes(tensor: Any, view: NDArray[np.uint8]) -> None:
            tensor.set_data_from_numpy(view)

        def in_memory(tensor: Any, view: NDArray[np.uint8]) -> None:
            shared_memory.set_shared_memory_region(region, [view])
            tensor.set_shared_memory(name, size)

        def as_half(tensor: Any, view: NDArray[np.uint8]) -> None:
            tensor.set_data_from_numpy(view.astype(np.float16))

        def way(dtype: str, fill: Callable[[Any, NDArray[np.uint8]], None]) -> Way:
            def ask(places: Sequence[int]) -> None:
                for place in places:
                    tensor = grpc.InferInput("image", dims, dtype)
                    fill(tensor, views[place][None])
                    said = client.infer(dtype, [tensor]).as_numpy("pixel")
                    assert said[0] == views[place][0, dims[2] // 2, 0]

            return often(lambda places: cost(server, len(places), lambda: ask(places)))

        yield {
            "bytes": way("UINT8", as_bytes),
            "memory": way("UINT8", in_memory),
            "half": way("FP16", as_half),
        }


def _reader(dims: list[int], dtype: str) -> dict[str, Any]:
    return {
        "name": dtype,
        "backend": "python",
        "input": [{"name": "image", "data_type": f"TYPE_{dtype}", "dims": dims}],
        "output": [{"name": "pixel", "data_type": "TYPE_UINT8", "dims": [1]}],
        "instance_group": [{"count": 1, "kind": "KIND_CPU"}],
    }


def costs(ways: Mapping[str, Way], views: int) -> dict[str, Cost]:
    """Medians over rounds in which all have their turn: a busy machine slows all."""
    taken: dict[str, list[Cost]] = {name: [] for name in ways}
    for first in range(0, views, ROUND):
        for name, way in ways.items():
            taken[name].append(way(range(first, first + ROUND)))
    return {
        name: Cost(*(median(part) for part in zip(*rounds, strict=True)))
        for name, rounds in taken.items()
    }


def inference(
    case: str, ours: Cost, peer: Cost, peer_is: str, bound: float | None = None
) -> list[Row]:
    """CPU and pace; `bound`: how many times the peer's cost ours may be."""
    allowed, goal = (1.0, None) if bound is None else (bound, 1.0)
    said = peer_is if bound is None else f"{peer_is}; at most {bound:g} times"
    cpu, wall = allowed * peer.cpu / ours.cpu, allowed * peer.wall / ours.wall
    return [
        Row(f"{case}: CPU", ours.cpu, peer.cpu, "core-s/view", cpu, goal, said),
        Row(f"{case}: pace", 1 / ours.wall, 1 / peer.wall, "views/s", wall, goal, said),
    ]


def carriage(
    case: str, ours: Cost, peer: Cost, peer_is: str, goal: float | None = None
) -> list[Row]:
    """CPU and time where nothing is computed; `goal` is for the CPU, for which decoders compete."""
    cpu, wall = peer.cpu / ours.cpu, peer.wall / ours.wall
    return [
        Row(f"{case}: CPU", ours.cpu * 1e3, peer.cpu * 1e3, "ms CPU/view", cpu, goal, peer_is),
        Row(f"{case}: time", ours.wall * 1e3, peer.wall * 1e3, "ms/view", wall, None, peer_is),
    ]


def judged(taken: Mapping[str, Cost]) -> list[Row]:
    """Triton over the graphs alone, its two shapes on the CPU, and the picture on its way."""
    ours, here = taken["chosen"], f"onnxruntime in {CPU_INSTANCES} worker processes"
    handed = "profile ensemble, whose steps hand the picture on"
    carried_only = "; a model that reads one pixel"
    alone = taken["worker"].cpu
    return [
        Row(
            "all members: CPU", alone, VIEW_BOUND, "core-s/view", VIEW_BOUND / alone, 1.0,
            f"the bound; {here}",
        ),
        *inference("Triton", ours, taken["worker"], here, OVERHEAD_BOUND),
        *inference("profile cpu", ours, taken["models"], "profile ensemble"),
        *carriage("profile cpu, no inference", taken["cpu"], taken["ensemble"], handed, 1.0),
        *carriage(
            "picture as bytes", taken["bytes"], taken["memory"],
            f"in system shared memory{carried_only}",
        ),
        *carriage(
            "picture as UINT8", taken["bytes"], taken["half"],
            f"as FP16, made and undone{carried_only}",
        ),
    ]  # fmt: skip


def shown(taken: Mapping[str, Cost]) -> list[Row]:
    """Instances, requests in flight, and batches where the release has graphs for them."""
    ours = taken["chosen"]
    rows = inference(f"{CPU_INSTANCES} instances", ours, taken["single"], "one instance")
    for n in FEWER:
        way = f"{n} in flight"
        rows += inference(f"{IN_FLIGHT} in flight against {n}", ours, taken[way], way)
    for n in BATCHES[1:]:
        if (way := f"batches of {n}") in taken:
            one, peer_is = taken["batches of 1"], f"{way}; onnxruntime, graphs of any batch"
            rows += inference(f"one view against {way}", one, taken[way], peer_is)
    return rows


def measure(*, quick: bool) -> list[Row]:
    """Rows: Triton and its peers, its shapes, and what a picture costs on its way."""
    release = load(DEFAULT_DIR / newest(DEFAULT_DIR))
    views = drawn(release.manifest, QUICK if quick else FULL)
    with ExitStack() as stack:
        enter = stack.enter_context
        empty = idle(release, Path(enter(tempfile.TemporaryDirectory(prefix="nr-serving-"))))
        # All servers first: they are to be started from a process with few threads.
        chosen, models = enter(served(release)), enter(served(release, "ensemble"))
        single = None if quick else enter(served(release, instances=1))
        empties = {profile: enter(served(empty, profile)) for profile in PROFILES}
        ways = {
            "worker": enter(in_process(release, views)),
            "chosen": enter(ensemble(chosen, release, views)),
            "models": enter(ensemble(models, release, views)),
        }
        if single:
            ways["single"] = enter(ensemble(single, release, views))
            for n in FEWER:
                ways[f"{n} in flight"] = enter(ensemble(chosen, release, views, n))
            if len(release.planned) == len(release.steps):
                graphs = Graphs(release.steps, release.planned)
                ways |= {f"batches of {n}": in_batches(graphs, views, n) for n in BATCHES}
        for way in ways.values():
            way(range(CPU_INSTANCES))  # what onnxruntime holds grows until its second view
        for profile, server in empties.items():
            ways[profile] = often(enter(ensemble(server, empty, views)))
        taken = costs(ways | enter(carried(chosen, views)), len(views))
    return judged(taken) if quick else judged(taken) + shown(taken)


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    as_a_worker()
    show("Serving", measure(quick=given.quick), as_json=given.json)
