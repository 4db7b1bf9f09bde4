"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable

PAUSE = 0.05  # seconds between two looks


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look until the condition holds; False when it did not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True
