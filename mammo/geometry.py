"""The affine map between a native image and the tensor that a model sees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]  # (n, 4): x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a prepared tensor lies over its native image.

    x grows to the right and y down; (0, 0) is the outer corner of the top left pixel
    (PS3.3 C.18.6 and C.10.5), so scaling needs no half-pixel shift. From native to prepared:
    turn counter-clockwise by `quarter_turns`, cut the crop that begins at (`left`, `top`) and
    is `width` wide, mirror it if `mirrored`, scale it. The crop lies at the tensor's top left.
    """

    left: float  # the crop's corner, native pixels of the turned image
    top: float
    width: float  # the crop's width, native pixels
    scale: float  # prepared pixels per native pixel
    mirrored: bool  # flipped, so that the chest wall lies on the tensor's left
    quarter_turns: int  # counter-clockwise turns of the stored image, 0 to 3
    native_shape: tuple[int, int]  # rows, columns as stored

    def to_prepared(self, boxes: Boxes) -> Boxes:
        """Native boxes (n, 4) as prepared boxes (n, 4)."""
        rows, columns = self.native_shape
        turned = np.asarray(boxes, np.float64).reshape(-1, 4)
        for _ in range(self.quarter_turns):
            x0, y0, x1, y1 = turned.T
            turned = np.stack([y0, columns - x1, y1, columns - x0], axis=1)
            rows, columns = columns, rows
        local = turned - np.array([self.left, self.top, self.left, self.top])
        if self.mirrored:
            local[:, [0, 2]] = self.width - local[:, [2, 0]]
        scaled: Boxes = local * self.scale
        return scaled

    def to_native(self, boxes: Boxes) -> Boxes:
        """Prepared boxes (n, 4) as native boxes (n, 4); undoes `to_prepared`."""
        local = np.asarray(boxes, np.float64).reshape(-1, 4) / self.scale
        if self.mirrored:
            local[:, [0, 2]] = self.width - local[:, [2, 0]]
        turned = local + np.array([self.left, self.top, self.left, self.top])
        rows, columns = self.native_shape
        if self.quarter_turns % 2:
            rows, columns = columns, rows
        for _ in range(self.quarter_turns):
            x0, y0, x1, y1 = turned.T
            turned = np.stack([rows - y1, x0, rows - y0, x1], axis=1)
            rows, columns = columns, rows
        native: Boxes = turned
        return native

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "left": self.left,
            "top": self.top,
            "width": self.width,
            "scale": self.scale,
            "mirrored": self.mirrored,
            "quarter_turns": self.quarter_turns,
            "native_shape": list(self.native_shape),
        }
