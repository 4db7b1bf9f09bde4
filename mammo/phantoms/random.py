"""Seeds: every part of a phantom has a stream of its own, so that none shifts another.

The same numbers come at every resolution, because no stream's length depends on pixels.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    QUOTA = 1  # labels of a whole set
    STUDY = 2  # patient, machine, density, breast
    VIEW = 3  # positioning of one view
    TEXTURE = 4
    LESIONS = 5
    NOISE = 6
    MARKERS = 7
    BACKGROUND = 8  # a single view drawn for training
    IDENTITY = 9


def generator(seed: int, stream: Stream, *path: int) -> np.random.Generator:
    """The stream of a seed at a path such as (study, view).

    Raises ValueError when the seed or a step of the path is negative.
    """
    if seed < 0 or min(path, default=0) < 0:
        raise ValueError("Give a seed of 0 or more.")
    return np.random.default_rng((int(stream), seed, *path))
