"""What both trainings share: schedule, averaged weights, checkpoints, progress, the stop on NaN."""

import copy
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training import team
from training.recipe import Stage

CLIP = 5.0  # largest norm of a gradient
SAVE_EVERY = 120.0  # seconds
SAY_EVERY = 20  # steps


def one_cycle(step: int, steps: int) -> float:
    """Share of the highest learning rate: up over the first 10%, then down a cosine to 1%."""
    warm = max(1, round(0.1 * steps))
    if step < warm:
        return 0.04 + 0.96 * step / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def faster_in_bfloat16(step: Callable[[], object]) -> bool:
    """Whether a training step takes less CPU time under bfloat16 autocast on this machine."""
    taken = {}
    for low in (False, True):
        for run in range(3):
            began = time.process_time()  # not the wall's: others may be at work
            with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
                step()
            if run:
                taken[low] = min(taken.get(low, math.inf), time.process_time() - began)
    return taken[True] < 0.95 * taken[False]


def train(
    model: nn.Module,
    loss_at: Callable[[int], Tensor],
    stage: Stage,
    folder: Path,
    name: str,
) -> None:
    """Train until `stage.steps`; `averaged` then gives the model.

    `loss_at(step)` computes a step's loss under autocast, of this process's part of the batch;
    all its chance must come from `step`.
    A checkpoint in `folder` is taken up; raises FloatingPointError on a loss that is not finite.
    """
    model = model.to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(model)
    backbone = {id(p) for name, p in model.named_parameters() if name.startswith("backbone.")}
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) in backbone], "share": stage.backbone_share},
        {"params": [p for p in trained if id(p) not in backbone], "share": 1.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, weight_decay=stage.weight_decay)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.checkpoint.pt"
    first = 0
    if path.is_file():
        held = torch.load(path, weights_only=True)
        model.load_state_dict(held["model"])
        average.load_state_dict(held["average"])
        optimizer.load_state_dict(held["optimizer"])
        first = held["step"]
        print(f"{name}: goes on at step {first}", flush=True)
    low = team.agree(stage.steps - first > 20 and _choose_precision(model, loss_at))
    chief = team.place().rank == 0
    began = saved = time.monotonic()
    mean = 0.0
    for step in range(first, stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * group["share"] * one_cycle(step, stage.steps)
        torch.manual_seed(stage.seed * 1_000_003 + step)  # dropout
        with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
            loss = loss_at(step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name}: the loss is {value} at step {step}; lower the learning rate."
            )
        optimizer.zero_grad()
        loss.backward()
        team.share_gradients(trained)
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        _follow(average, model, min(stage.average, (1 + step) / (10 + step)))
        mean = value if step == first else 0.98 * mean + 0.02 * value
        done = step + 1 - first
        if chief and ((step + 1) % SAY_EVERY == 0 or step + 1 == stage.steps):
            rate = done * stage.batch / (time.monotonic() - began)
            left = (stage.steps - step - 1) * stage.batch / rate
            print(
                f"{name}: step {step + 1}/{stage.steps} loss {mean:.3f} {rate:.1f}/s {left:.0f} s left",
                flush=True,
            )
        if chief and (time.monotonic() - saved > SAVE_EVERY or step + 1 == stage.steps):
            _save(path, {"model": model, "average": average, "optimizer": optimizer}, step + 1)
            saved = time.monotonic()


def averaged(model: nn.Module, folder: Path, name: str) -> None:
    """Give `model` the averaged weights of the checkpoint in `folder`."""
    held = torch.load(folder / f"{name}.checkpoint.pt", weights_only=True)
    model.load_state_dict(held["average"])
    model.eval()


def _choose_precision(model: nn.Module, loss_at: Callable[[int], Tensor]) -> bool:
    def step() -> None:
        loss_at(0).backward()
        model.zero_grad()

    low = faster_in_bfloat16(step)
    if team.place().rank == 0:
        print(f"precision: {'bfloat16' if low else 'float32'} is faster here", flush=True)
    return low


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    ours, theirs = list(average.state_dict().values()), list(model.state_dict().values())
    for a, b in zip(ours, theirs, strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def _save(path: Path, parts: dict[str, Any], step: int) -> None:
    """All or nothing: a run killed while it saves keeps the checkpoint before."""
    fresh = path.with_suffix(".tmp")
    torch.save({**{key: part.state_dict() for key, part in parts.items()}, "step": step}, fresh)
    fresh.replace(path)
