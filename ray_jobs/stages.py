"""How long each stage of a task took."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


class Stages:
    """Wall seconds spent in each stage of one task; `entered` is told of each as it begins."""

    def __init__(self, entered: Callable[[str], None] = lambda _: None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.entered = entered

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.entered(name)
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - began
