"""Every `config.pbtxt` says what the contract says, judged by Triton's own protobuf."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from triton_repo import contract
from triton_repo.configs import FILES
from triton_repo.contract import Model, Tensor
from triton_repo.release import DEFAULT_DIR, Release, load, names

ONNX_TYPES = {"UINT8": 2, "FP32": 1, "INT32": 6}


def parse(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def tensors(entries: object) -> tuple[Tensor, ...]:
    kinds = model_config_pb2.DataType
    return tuple(
        Tensor(e.name, kinds.Name(e.data_type).removeprefix("TYPE_"), tuple(e.dims))  # type: ignore[arg-type]
        for e in entries  # type: ignore[attr-defined]
    )


@pytest.fixture(params=["small", "several", *names(DEFAULT_DIR)])
def any_release(request: pytest.FixtureRequest) -> Release:
    small = request.getfixturevalue("small_releases") / request.param
    return load(small if small.is_dir() else DEFAULT_DIR / request.param)


def models(release: Release) -> dict[str, Model]:
    whole = release.manifest.ensemble
    return {model.name: model for model in (*(step.model for step in release.steps), whole)}


@pytest.mark.parametrize("name", FILES.values())
def test_every_profile_carries_the_contracts_tensors(any_release: Release, name: str) -> None:
    for model_name, model in models(any_release).items():
        path = any_release.models / model_name / name
        if name == FILES["ensemble"] and model_name != contract.ENSEMBLE:
            assert not path.exists()  # Triton falls back to the CPU's
            continue
        config = parse(path)
        assert config.name == model_name
        assert tensors(config.input) == model.inputs
        assert tensors(config.output) == model.outputs


def test_on_the_cpu_no_batch_and_no_gpu(any_release: Release) -> None:
    for model_name in models(any_release):
        config = parse(any_release.models / model_name / "config.pbtxt")
        assert (config.backend, config.max_batch_size) == ("python", 1)
        assert all(group.kind == group.KIND_CPU for group in config.instance_group)


def test_tensorrt_batches_on_the_gpu(any_release: Release) -> None:
    for model_name in any_release.graphs:
        config = parse(any_release.models / model_name / "configs/tensorrt.pbtxt")
        assert (config.platform, config.max_batch_size) == ("tensorrt_plan", 8)
        assert config.dynamic_batching.default_queue_policy.max_queue_size > 0


@pytest.mark.parametrize("name", [FILES["ensemble"], FILES["tensorrt"]])
def test_the_ensemble_feeds_every_step_from_what_came_before(
    any_release: Release, name: str
) -> None:
    config = parse(any_release.models / "screening" / name)
    known = {entry.name for entry in config.input}
    for step in config.ensemble_scheduling.step:
        inner = models(any_release)[step.model_name]
        assert {t.name for t in inner.inputs} == set(step.input_map)
        assert set(step.input_map.values()) <= known
        assert set(step.output_map) <= {t.name for t in inner.outputs}
        known |= set(step.output_map.values())
    assert {entry.name for entry in config.output} <= known
    # Triton refuses an ensemble with a tensor that nothing reads.
    steps = config.ensemble_scheduling.step
    read = {name for step in steps for name in step.input_map.values()}
    assert known == read | {entry.name for entry in config.output}


def test_on_the_cpu_the_steps_of_the_ensemble_are_run_in_one_process(any_release: Release) -> None:
    config = parse(any_release.models / "screening" / FILES["cpu"])
    told = json.loads(config.parameters["steps"].string_value)
    wanted = parse(any_release.models / "screening" / FILES["ensemble"]).ensemble_scheduling.step
    for step, right in zip(told, wanted, strict=True):
        assert any_release.models.joinpath(*step["graph"]) == any_release.graphs[right.model_name]
        assert (step["reads"], step["writes"]) == (dict(right.input_map), dict(right.output_map))


def test_every_graph_has_its_configurations_tensors(any_release: Release) -> None:
    for model_name in any_release.graphs:
        config = parse(any_release.models / model_name / "config.pbtxt")
        graph = onnx.load(any_release.graphs[model_name], load_external_data=False).graph
        for entries, values in ((config.input, graph.input), (config.output, graph.output)):
            found = {
                v.name: (
                    v.type.tensor_type.elem_type,
                    tuple(d.dim_value for d in v.type.tensor_type.shape.dim)[1:],
                )
                for v in values
            }
            wanted = {t.name: (ONNX_TYPES[t.dtype], t.dims) for t in tensors(entries)}
            assert found == wanted


def test_a_picture_as_fp16_would_hold_the_same_numbers_in_twice_the_bytes() -> None:
    # Why the image travels as UINT8: no score could differ (docs/decisions/0008).
    levels = np.arange(256, dtype=np.uint8)
    halves = levels.astype(np.float16)
    assert (halves.astype(np.float32) == levels).all()
    assert halves.nbytes == 2 * levels.nbytes
