"""`config.pbtxt` files: the contract's print-out.

There are three profiles of one repository. On the CPU the whole ensemble is one model, which runs
every graph in one process: nothing is copied between steps, and there are few processes to go
wrong. `ensemble` has the same graphs as Triton's ensemble of models, each in its own processes;
`python -m benchmarks.serving` measures both. `tensorrt` is that ensemble on a GPU.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from triton_repo.contract import ENSEMBLE, ONE, Members, Model, Sizes, Step, Tensor, ensemble, steps

Profile = Literal["cpu", "ensemble", "tensorrt"]
FILES: dict[Profile, str] = {
    "cpu": "config.pbtxt",  # what Triton takes unless told `--model-config-name`
    "ensemble": "configs/ensemble.pbtxt",
    "tensorrt": "configs/tensorrt.pbtxt",
}
GRAPH = "model.onnx"  # in the folder of the model's version

# On the CPU a batch gains nothing, and results can then not depend on neighbours.
MAX_BATCH: dict[Profile, int] = {"cpu": 1, "ensemble": 1, "tensorrt": 8}
CPU_INSTANCES = 2  # one thread each
QUEUE_US = 2_000  # how long a GPU waits for the batch to fill
QUEUE_TIMEOUT_US = 30_000_000  # a request that waited this long is refused, and retried
QUEUE_SIZE = 64


def weights_digest(graphs: Iterable[Path]) -> str:
    """What the configurations carry to name the graphs they belong to, SHA-256, hex."""
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in graphs)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _tensor(tensor: Tensor) -> str:
    dims = ", ".join(str(n) for n in tensor.dims)
    return f'  {{ name: "{tensor.name}" data_type: TYPE_{tensor.dtype} dims: [ {dims} ] }}'


def _tensors(kind: str, tensors: tuple[Tensor, ...]) -> str:
    return f"{kind} [\n" + ",\n".join(_tensor(tensor) for tensor in tensors) + "\n]"


def _head(model: Model, profile: Profile, weights: str) -> list[str]:
    return [
        f'name: "{model.name}"',
        f"max_batch_size: {MAX_BATCH[profile]}",
        _tensors("input", model.inputs),
        _tensors("output", model.outputs),
        # By this a client knows which release a server holds.
        f'parameters {{ key: "weights" value {{ string_value: "{weights}" }} }}',
    ]


def of_graph(model: Model, profile: Profile, weights: str) -> str:
    """The configuration of a model that is one ONNX graph."""
    lines = _head(model, profile, weights)
    if profile != "tensorrt":
        lines += _PYTHON
    else:
        lines += [
            'platform: "tensorrt_plan"',
            "instance_group [ { count: 1 kind: KIND_GPU } ]",
            "dynamic_batching {",
            f"  max_queue_delay_microseconds: {QUEUE_US}",
            "  default_queue_policy {",
            "    timeout_action: REJECT",
            f"    default_timeout_microseconds: {QUEUE_TIMEOUT_US}",
            f"    max_queue_size: {QUEUE_SIZE}",
            "  }",
            "}",
        ]
    return "\n".join([*lines, _VERSION]) + "\n"


_VERSION = "version_policy { specific { versions: [ 1 ] } }"
_PYTHON = [
    'backend: "python"',
    f"instance_group [ {{ count: {CPU_INSTANCES} kind: KIND_CPU }} ]",
]


def _step(step: Step) -> str:
    maps = [
        f'    {side}_map {{ key: "{own}" value: "{name}" }}'
        for side, names in (("input", step.reads), ("output", step.writes))
        for own, name in names.items()
    ]
    head = ["  {", f'    model_name: "{step.model.name}"', "    model_version: 1"]
    return "\n".join([*head, *maps, "  }"])


def of_ensemble(sizes: Sizes, profile: Profile, weights: str, members: Members = ONE) -> str:
    """The ensemble's configuration: the detectors' boxes feed the classifiers."""
    lines = _head(ensemble(sizes, members), profile, weights)
    in_turn = steps(sizes, members)
    if profile == "cpu":
        told = [
            {"graph": [step.model.name, "1", GRAPH], "reads": step.reads, "writes": step.writes}
            for step in in_turn
        ]
        # JSON has no single quotes here: names are plain.
        value = f"{{ string_value: '{json.dumps(told)}' }}"
        lines += [*_PYTHON, f'parameters {{ key: "steps" value {value} }}', _VERSION]
    else:
        lines += [
            'platform: "ensemble"',
            "ensemble_scheduling { step [",
            ",\n".join(map(_step, in_turn)),
            "] }",
        ]
    return "\n".join(lines) + "\n"


def all_files(sizes: Sizes, members: Members, weights: str) -> Iterator[tuple[str, str]]:
    """Every configuration of a model repository: its path there, and its text."""
    for profile, name in FILES.items():
        for step in steps(sizes, members):
            # On the CPU a step alone is the same in both profiles: Triton falls back to it.
            if profile != "ensemble":
                yield f"{step.model.name}/{name}", of_graph(step.model, profile, weights)
        yield f"{ENSEMBLE}/{name}", of_ensemble(sizes, profile, weights, members)
