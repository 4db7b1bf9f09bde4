"""Triton's command line as written, on this machine: it serves, answers the probes and leaves."""

import http.client
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nightread.stack import triton_env
from nightread.stack.ports import HOST, draw
from nightread.stack.wait import until
from triton_repo import configs, contract
from triton_repo.contract import ENSEMBLE, Model, Sizes, Tensor

Manifest = dict[str, Any]

SIZES = Sizes(height=64, width=40, boxes=4)
SERVING = Path(configs.__file__).parent / "serving" / "model.py"
DTYPES = {
    "UINT8": (TensorProto.UINT8, np.uint8),
    "FP32": (TensorProto.FLOAT, np.float32),
    "INT32": (TensorProto.INT32, np.int32),
}


def graph(model: Model) -> onnx.ModelProto:
    """A graph with the model's tensors; probes ask whether it is loaded, not what it says."""

    def info(tensor: Tensor) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(
            tensor.name, DTYPES[tensor.dtype][0], [1, *tensor.dims]
        )

    def zeros(tensor: Tensor) -> onnx.NodeProto:
        value = np.zeros((1, *tensor.dims), DTYPES[tensor.dtype][1])
        return helper.make_node(
            "Constant", [], [tensor.name], value=numpy_helper.from_array(value, tensor.name)
        )

    whole = helper.make_graph(
        [zeros(tensor) for tensor in model.outputs],
        model.name,
        [info(tensor) for tensor in model.inputs],
        [info(tensor) for tensor in model.outputs],
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_repository(models: Path) -> None:
    """A model repository with a release's configurations."""
    for model in (contract.detector(SIZES), contract.classifier(SIZES)):
        version = models / model.name / "1"
        version.mkdir(parents=True)
        onnx.save(graph(model), version / "model.onnx")
    (models / ENSEMBLE / "1").mkdir(parents=True)
    (models / ENSEMBLE / "1" / "model.py").write_bytes(SERVING.read_bytes())
    (models / ENSEMBLE / "config.pbtxt").write_text(configs.of_ensemble(SIZES, "cpu", "none"))


def status(port: int, probe: Manifest) -> int | None:
    """What a probe is answered; None: nothing listens."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", probe["httpGet"]["path"])
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(
    containers: dict[str, Manifest], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The container's command, with paths and ports of this machine."""
    folder = tmp_path_factory.mktemp("triton")
    write_repository(folder / "release" / "models")
    env = triton_env.find(None)
    backends = triton_env.assemble(env, folder)
    libpython = triton_env.libpython(env, backends, folder)
    program, *options = containers["Deployment/triton/triton"]["command"]
    options = [option.replace("=/", f"={folder}/") for option in options]
    ports = dict(zip(("http", "grpc", "metrics"), draw(3), strict=True))
    here = [f"--{name}-port={port}" for name, port in ports.items()]
    here += [f"--{name}-address={HOST}" for name in ports]
    here += [
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name=nightread_{secrets.token_hex(4)}_",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [env.home / "bin" / program, *options, *here],
            stdout=log,
            stderr=log,
            env=env.variables(libpython),
        )
    try:
        yield process, ports["http"]
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_the_server_answers_its_probes_and_ends_when_told(
    server: tuple["subprocess.Popen[bytes]", int], containers: dict[str, Manifest]
) -> None:
    process, port = server
    container = containers["Deployment/triton/triton"]
    until(lambda: process.poll() is not None or status(port, container["startupProbe"]) == 200, 60)
    assert process.poll() is None
    answers = {name: status(port, container[name]) for name in ("readinessProbe", "livenessProbe")}
    assert answers == {"readinessProbe": 200, "livenessProbe": 200}
    assert status(port, {"httpGet": {"path": "/v2/models/another/ready"}}) == 400
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
