"""`config.pbtxt` files: the contract's print-out, one profile for the CPU, one for TensorRT."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from triton_repo.contract import ONE, Members, Model, Sizes, Step, Tensor, ensemble, steps

Profile = Literal["cpu", "tensorrt"]

# On the CPU a batch gains nothing, and results can then not depend on neighbours.
MAX_BATCH: dict[Profile, int] = {"cpu": 1, "tensorrt": 8}
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
    if profile == "cpu":
        lines += [
            'backend: "python"',
            f"instance_group [ {{ count: {CPU_INSTANCES} kind: KIND_CPU }} ]",
        ]
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
    lines.append("version_policy { specific { versions: [ 1 ] } }")
    return "\n".join(lines) + "\n"


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
    lines = [
        *_head(ensemble(sizes), profile, weights),
        'platform: "ensemble"',
        "ensemble_scheduling { step [",
        ",\n".join(_step(step) for step in steps(sizes, members)),
        "] }",
    ]
    return "\n".join(lines) + "\n"
