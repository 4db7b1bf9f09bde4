"""ONNX Runtime's CUDA provider behind the few calls of a TensorRT execution context.

For a GPU where TensorRT cannot be had: the same graphs, on the same memory, in the same order.
What it measures is onnxruntime's, and no row says otherwise. Needs onnxruntime-gpu.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from triton_repo.release import ReleaseError

PROVIDER = "CUDAExecutionProvider"
DTYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int32)": np.int32}


def version() -> str:
    """What runs the graphs, in words; raises `ReleaseError` where onnxruntime has no CUDA."""
    if PROVIDER not in onnxruntime.get_available_providers():
        raise ReleaseError(
            "This onnxruntime has no CUDA: install onnxruntime-gpu in its place, with CUDA and cuDNN."
        )
    return f"onnxruntime {onnxruntime.__version__} with CUDA, not TensorRT"


def on_cuda(graph: Path, stream: int) -> "Context":
    """A graph on the GPU, its work put on `stream`, in the precision that the graph says.

    Raises `ReleaseError` where onnxruntime would run it on the CPU instead.
    """
    options = {
        "user_compute_stream": str(stream),
        "use_tf32": "0",  # TensorFloat-32 would be another precision
        "cudnn_conv_algo_search": "HEURISTIC",  # trying all out takes minutes
        "cudnn_conv_use_max_workspace": "1",
    }
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4  # each way that cuDNN cannot take would be an error

    def session() -> Any:
        made = onnxruntime.InferenceSession(str(graph), quiet, providers=[(PROVIDER, options)])
        if PROVIDER not in made.get_providers():
            raise ReleaseError(f"{graph}: onnxruntime could not start CUDA: libraries are missing.")
        return made

    return Context(session, "cuda")


class Context:
    """A graph whose inputs and outputs lie where it is told."""

    def __init__(self, session: Callable[[], Any], device: str) -> None:
        """`device`: of the addresses, in onnxruntime's words."""
        self._session, self._device = session, device
        self._addresses: dict[str, int] = {}
        # By the batch: at each change of it a session looks for every convolution's way again,
        # which takes seconds.
        self._bound: dict[int, tuple[Any, Any]] = {}
        self._batch = 0
        self._options = onnxruntime.RunOptions()
        # As with TensorRT: what is asked for is on its way; whoever needs it waits for the stream.
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def set_tensor_address(self, name: str, address: int) -> None:
        """Where a tensor lies, for the largest batch."""
        self._addresses[name] = address

    def set_input_shape(self, _name: str, shape: tuple[int, ...]) -> None:
        """What is known of the next run: its batch. All else is fixed by the graph."""
        self._batch = shape[0]

    def execute_async_v3(self, _stream: int) -> None:
        """Runs the graph, on the stream that it was made for."""
        if self._batch not in self._bound:
            self._bound[self._batch] = self._bind(self._session())
        session, binding = self._bound[self._batch]
        session.run_with_iobinding(binding, self._options)

    def _bind(self, session: Any) -> tuple[Any, Any]:
        binding = session.io_binding()
        sides = (
            (binding.bind_input, session.get_inputs()),
            (binding.bind_output, session.get_outputs()),
        )
        for bind, ends in sides:
            for end in ends:
                shape = [self._batch, *end.shape[1:]]
                place = self._addresses[end.name]
                bind(end.name, self._device, 0, DTYPES[end.type], shape, place)
        return session, binding
