"""The release's graphs run by onnxruntime in this process: the oracle for what Triton answers.

Needs onnxruntime, which the extra `local` brings; a job never comes here.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammo.findings import RawView
from triton_repo.contract import CLASSIFIER, DETECTOR, Dtype, Tensor

_DTYPES: dict[str, Dtype] = {
    "tensor(uint8)": "UINT8",
    "tensor(float)": "FP32",
    "tensor(int32)": "INT32",
}


class Graphs:
    """Both graphs of a model repository, one thread each."""

    def __init__(self, detector: Path, classifier: Path) -> None:
        self._detector = _session(detector)
        self._classifier = _session(classifier)

    @classmethod
    def of(cls, models: Path) -> "Graphs":
        """The graphs of a release's `models/` folder."""
        return cls(*(models / name / "1" / "model.onnx" for name in (DETECTOR, CLASSIFIER)))

    def __call__(self, image: NDArray[np.uint8]) -> RawView:
        """One prepared view, uint8 (1, height, width)."""
        batch = image[None]
        boxes, detection, kind, count = self._detector.run(
            ["boxes", "detection", "kind", "count"], {"image": batch}
        )
        lesion, malignancy = self._classifier.run(
            ["lesion", "malignancy"], {"image": batch, "boxes": boxes}
        )
        return RawView(int(count[0, 0]), boxes[0], detection[0], kind[0], lesion[0], malignancy[0])


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
