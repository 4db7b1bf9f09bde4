"""A bounded window of Ray tasks: the intake slows when what follows does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayError

Item = TypeVar("Item")

POLL_S = 1.0  # how often the window looks for tasks that are over their time


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item]):
    """How a task ended: its value, a `RayError`, or `None` with `overdue`."""

    item: Item
    value: Any
    overdue: bool = False


def finished(
    items: Iterable[Item],
    submit: Callable[[Item], Any],
    limit: int,
    timeout_s: float,
    each_poll: Callable[[], None] = lambda: None,
) -> Iterator[Ended[Item]]:
    """Yield each item as its task ends, in the order in which they end.

    At most `limit` tasks are in flight, and the next item is taken only when a place is free:
    a slow consumer (Postgres) slows the intake. A task that is not back `timeout_s` after it
    was submitted is killed with its worker. `each_poll` is called about every second, however
    long the tasks take. Closing the generator cancels what is in flight.
    """
    return _in_flight(items, submit, limit, timeout_s, each_poll, lambda ref: (_outcome(ref), True))


def streamed(
    items: Iterable[Item],
    submit: Callable[[Item], Any],
    limit: int,
    timeout_s: float,
    each_poll: Callable[[], None] = lambda: None,
) -> Iterator[Ended[Item]]:
    """As `finished`, for tasks that give back one value after the other while they go on.

    A task that ends gives a last `Ended` with the value None. `timeout_s` is the longest time
    between two values.
    """
    return _in_flight(items, submit, limit, timeout_s, each_poll, _next_value)


def _in_flight(
    items: Iterable[Item],
    submit: Callable[[Item], Any],
    limit: int,
    timeout_s: float,
    each_poll: Callable[[], None],
    take: Callable[[Any], tuple[Any, bool]],
) -> Iterator[Ended[Item]]:
    """take: the value of a task that is ready, and whether it was the last."""
    source = iter(items)
    flying: dict[Any, tuple[Item, float]] = {}
    try:
        while True:
            for item in islice(source, limit - len(flying)):
                flying[submit(item)] = (item, monotonic())
            if not flying:
                return
            ready: list[Any] = ray.wait(list(flying), num_returns=1, timeout=POLL_S)[0]
            each_poll()
            for task in ready:
                item, _ = flying.pop(task)
                value, last = take(task)
                if not last:
                    flying[task] = (item, monotonic())
                yield Ended(item, value)
            for task in [t for t, (_, since) in flying.items() if monotonic() - since > timeout_s]:
                item, _ = flying.pop(task)
                ray.cancel(task, force=True)
                yield Ended(item, None, overdue=True)
    finally:
        for task in flying:
            ray.cancel(task, force=True)


def _next_value(task: Any) -> tuple[Any, bool]:
    ref = next(task, None)
    value = None if ref is None else _outcome(ref)
    return value, value is None or isinstance(value, RayError)


def _outcome(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except RayError as error:  # the worker was lost, or the task raised
        return error
