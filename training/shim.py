"""timm and torchvision, importable beside the CPU build of torch: `from training.shim import timm`.

torchvision's compiled operators are linked against CUDA libraries that the CPU build lacks;
its Python part then fails on `operator torchvision::nms does not exist`. Defining the two
operators that it registers fake kernels for is enough. A real build keeps its own.
"""

import torch


def _define_missing_operators() -> torch.library.Library | None:
    if hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


LIBRARY = _define_missing_operators()  # the operators live as long as this object

import timm  # noqa: E402 -- imports torchvision, which looks for the operators above
import torchvision  # noqa: E402

__all__ = ["timm", "torchvision"]
