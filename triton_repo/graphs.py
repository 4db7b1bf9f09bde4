"""The release's graphs run by onnxruntime in this process: the oracle for what Triton answers.

Needs onnxruntime, which the extra `local` brings; a job never comes here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammo.findings import RawView
from triton_repo.contract import Dtype, Step, Tensor, answer
from triton_repo.release import Release

_DTYPES: dict[str, Dtype] = {
    "tensor(uint8)": "UINT8",
    "tensor(float)": "FP32",
    "tensor(int32)": "INT32",
}


class Graphs:
    """All graphs of an ensemble, one thread each."""

    def __init__(self, steps: Iterable[Step], files: Mapping[str, Path]) -> None:
        """`files`: the ONNX file of each model, by name."""
        self._steps = [(step, _session(files[step.model.name])) for step in steps]

    @classmethod
    def of(cls, release: Release) -> "Graphs":
        """Those of a release."""
        return cls(release.steps, release.graphs)

    def __call__(self, image: NDArray[np.uint8]) -> RawView:
        """One prepared view, uint8 (1, height, width)."""
        return answer(self.tensors(image))

    def tensors(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Every tensor of the ensemble by its name, without the batch axis."""
        return {name: value[0] for name, value in self.batch(image[None]).items()}

    def batch(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The same of uint8 (n, 1, height, width), with the batch axis.

        Only graphs of any batch take more than one view (`Release.planned`).
        """
        known: dict[str, NDArray[Any]] = {"image": images}
        for (_, reads, writes), session in self._steps:
            feeds = {own: known[name] for own, name in reads.items()}
            known |= zip(writes.values(), session.run(list(writes), feeds), strict=True)
        return known


def signature(path: Path) -> set[Tensor]:
    """The inputs and outputs that an ONNX file really has, without the batch axis."""
    session = _session(path)
    return {
        Tensor(node.name, _DTYPES[node.type], tuple(node.shape[1:]))
        for node in (*session.get_inputs(), *session.get_outputs())
    }


def _session(path: Path) -> Any:
    import onnxruntime  # noqa: PLC0415 -- an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
