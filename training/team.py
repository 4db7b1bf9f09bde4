"""Several processes that train one network, each on its part of every batch.

On a machine of few cores one process a core is faster than one process of several threads, and
far faster when others are at work too: threads wait for the slowest at every operation,
processes once a step.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch
from torch import Tensor, distributed, multiprocessing


class Place(NamedTuple):
    """Which of how many processes this is."""

    rank: int
    size: int


ALONE = Place(0, 1)


def place() -> Place:
    """The place of this process; ALONE outside a team."""
    if not distributed.is_initialized():
        return ALONE
    return Place(distributed.get_rank(), distributed.get_world_size())


def together(
    work: Callable[..., object], arguments: tuple[Any, ...], processes: int, folder: Path
) -> None:
    """Run `work(*arguments)` in each of so many processes, to the end of all.

    What one of them raises ends the others and is raised here.
    """
    if processes == 1:
        work(*arguments)
        return
    meeting = (folder / "meeting").resolve()
    meeting.unlink(missing_ok=True)
    multiprocessing.start_processes(
        _member, (work, arguments, processes, meeting), nprocs=processes, start_method="spawn"
    )
    meeting.unlink(missing_ok=True)


def _member(
    rank: int,
    work: Callable[..., object],
    arguments: tuple[Any, ...],
    processes: int,
    meeting: Path,
) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes
    )
    try:
        work(*arguments)
    finally:
        distributed.destroy_process_group()


def share_gradients(parameters: Iterable[Tensor]) -> None:
    """Give each process the mean of all gradients."""
    size = place().size
    if size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    distributed.all_reduce(flat)
    flat /= size
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].reshape(gradient.shape))
        start += gradient.numel()


def agree(choice: bool) -> bool:  # noqa: FBT001
    """The first process's choice, in all of them."""
    if place().size == 1:
        return choice
    answer = torch.tensor([int(choice)])
    distributed.broadcast(answer, 0)
    return bool(answer.item())
