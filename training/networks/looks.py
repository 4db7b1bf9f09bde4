"""The other way up: what is noise to a network differs between two looks, a lesion does not."""

import torch
from torch import Tensor


def upside_down(maps: Tensor) -> Tensor:
    """Rows (n, c, rows, columns) in reverse; by Gather, as not every runtime slices backwards."""
    rows = torch.arange(maps.shape[2] - 1, -1, -1, device=maps.device)
    return maps.index_select(2, rows)
