"""From a decoded image to the tensor that a model sees."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo import breast, voi
from mammo.breast import Box, Gray, Side
from mammo.codes import Flag, Reason
from mammo.decode import Decoded
from mammo.geometry import Geometry
from mammo.views import Laterality

Stage = Callable[[str], AbstractContextManager[object]]

TINY, HUGE = 0.02, 0.98  # shares of the image: less or more is not a breast


class Hanging(NamedTuple):
    """Where the header lets the chest wall be expected."""

    quarter_turns: int  # counter-clockwise, that make the stored image upright
    by_orientation: Side | None  # after turning; None: Patient Orientation does not say
    by_laterality: Side | None  # the usual way to hang this breast


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a release fixes; the models of a release see nothing prepared otherwise."""

    height: int = 1024  # of the tensor, rows
    width: int = 640  # columns
    margin: float = 0.02  # around the breast's box, share of the box's longer side
    version: str = "area2-linear/1"  # names the resampling below and the breast's finder
    half_jpeg_2000: bool = False  # decoded at half resolution, where the codestream holds it


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A view as a model sees it."""

    tensor: NDArray[np.uint8]  # (1, height, width), 0 air, chest wall on the left
    geometry: Geometry
    content: tuple[int, int]  # rows and columns of the tensor that hold image; the rest is zero
    breast_box: Box  # native pixels of the stored image, without margin
    share: float  # of the image that is breast
    side: Side  # of the (turned) image, where the chest wall was taken to be
    side_clear: bool  # found in the pixels; False: taken from the header
    voi: voi.Choice | None  # None: the picture was 8-bit gray already
    voi_explanation: str
    flags: tuple[Flag, ...]
    reviews: tuple[Reason, ...]  # REVIEW_ codes, by the enum's order


def untimed(name: str) -> AbstractContextManager[None]:  # noqa: ARG001 -- a Stage
    """For callers that measure nothing."""
    return nullcontext()


def prepare(
    decoded: Decoded,
    laterality: Laterality | None,
    params: Preparation,
    stage: Stage = untimed,
) -> Prepared:
    """Render, find the breast, crop, mirror and scale a decoded mammogram.

    `stage` is called with "voi", "breast" and "resample" and wraps that part of the work.
    """
    with stage("voi"):
        rendering = voi.choose(decoded.header, decoded.pixels)
        gray = rendering.apply(decoded.pixels)
    hanging = read_hanging(decoded.header, laterality)
    return _prepare(gray, hanging, params, stage, rendering, _native_shape(decoded))


def prepare_gray(
    gray: Gray,
    params: Preparation,
    laterality: Laterality | None = None,
    stage: Stage = untimed,
) -> Prepared:
    """The same for a picture (rows, columns) that is 8-bit gray already, 0 black."""
    return _prepare(gray, Hanging(0, None, _usual(laterality)), params, stage, None, None)


def _prepare(
    gray: Gray,
    hanging: Hanging,
    params: Preparation,
    stage: Stage,
    rendering: voi.Voi | None,
    halved_from: tuple[int, int] | None,
) -> Prepared:
    with stage("breast"):
        turns = hanging.quarter_turns
        upright = np.ascontiguousarray(np.rot90(gray, turns)) if turns else gray
        found = breast.find(upright)
        side, flags, reviews = _judge_side(found, hanging)
        if turns:
            flags.append(Flag.W_TURNED)
        if found.inverted:
            reviews.append(Reason.REVIEW_POLARITY)
        if not TINY <= found.share <= HUGE:
            reviews.append(Reason.REVIEW_NO_BREAST)
    with stage("resample"):
        crop, halvings = _crop(found.box, upright.shape, params)
        geometry = Geometry(
            left=crop.x0,
            top=crop.y0,
            width=crop.x1 - crop.x0,
            scale=_fit(crop, params),
            mirrored=side == "right",
            quarter_turns=turns,
            native_shape=(gray.shape[0], gray.shape[1]),
        )
        tensor, content = _resample(upright, crop, halvings, geometry, params)
        breast_box = _stored(found.box, geometry)
        if halved_from:
            geometry, breast_box = _of_native(geometry, breast_box, halved_from)
    return Prepared(
        tensor=tensor,
        geometry=geometry,
        content=content,
        breast_box=breast_box,
        share=found.share,
        side=side,
        side_clear=found.side_clear,
        voi=rendering.choice if rendering else None,
        voi_explanation=rendering.explanation if rendering else "",
        flags=(rendering.flags if rendering else ()) + tuple(flags),
        reviews=tuple(reviews),
    )


def read_hanging(header: Dataset, laterality: Laterality | None) -> Hanging:
    r"""What Patient Orientation and laterality say (PS3.3 C.7.6.1.1.1).

    Its first value is the anatomical direction of growing columns, its second that of growing
    rows: `P\FL` has the chest wall at the right edge. With anterior or posterior in the second
    value the image is turned by 90 degrees; of the two turns that bring the chest wall to a side
    the one is taken that leaves feet, or the middle of the body, below.
    """
    usual = _usual(laterality)
    across, down = _letters(header)
    if across in OPPOSITE and down in ("A", "P"):
        medial = "L" if laterality is Laterality.RIGHT else "R"
        clockwise = across in ("F", medial)
        after = OPPOSITE[down] if clockwise else down
        return Hanging(3 if clockwise else 1, CHEST_WALL[after], usual)
    return Hanging(0, CHEST_WALL.get(across), usual)


CHEST_WALL: dict[str, Side] = {"P": "right", "A": "left"}  # by the direction of columns
OPPOSITE_SIDE: dict[Side, Side] = {"left": "right", "right": "left"}
OPPOSITE = {"A": "P", "P": "A", "L": "R", "R": "L", "H": "F", "F": "H"}


def _usual(laterality: Laterality | None) -> Side | None:
    if laterality is None:
        return None
    return "right" if laterality is Laterality.RIGHT else "left"


def _letters(header: Dataset) -> tuple[str, str]:
    """The principal letters of Patient Orientation; empty unless both make sense."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = [str(v).strip().upper() for v in header.get("PatientOrientation") or ()]
        except Exception:  # noqa: BLE001 -- pydicom raises anything on a value that is not one
            values = []
    if len(values) != 2 or any(not v or set(v) - set(OPPOSITE) for v in values):
        return "", ""
    return values[0][0], values[1][0]


def _judge_side(found: breast.Breast, hanging: Hanging) -> tuple[Side, list[Flag], list[Reason]]:
    """The side to normalise by: the pixels' own, else the header's.

    Laterality is never changed and pixels are never mirrored to fit it: a contradiction is for a
    person to look at.
    """
    expected = hanging.by_orientation or hanging.by_laterality
    if not found.side_clear:
        return expected or found.side, [Flag.W_SIDE_UNCLEAR], []
    if expected and found.side != expected:
        return found.side, [], [Reason.REVIEW_SIDE_MISMATCH]
    if expected and hanging.by_laterality and expected != hanging.by_laterality:
        return found.side, [Flag.W_MIRRORED_BY_HEADER], []
    return found.side, [], []


def _fit(crop: Box, params: Preparation) -> float:
    """Prepared pixels per native pixel, so that the crop just fits."""
    return min(params.height / (crop.y1 - crop.y0), params.width / (crop.x1 - crop.x0))


def _crop(box: Box, shape: tuple[int, ...], params: Preparation) -> tuple[Box, int]:
    """The box with its margin, inside the image, and how often it is halved.

    Its sides are cut to what the halvings divide, so that these are exact.
    """
    rows, columns = shape[:2]
    margin = round(params.margin * max(box.x1 - box.x0, box.y1 - box.y0))
    x0, y0 = max(0, box.x0 - margin), max(0, box.y0 - margin)
    x1, y1 = min(columns, box.x1 + margin), min(rows, box.y1 + margin)
    scale, halvings = _fit(Box(x0, y0, x1, y1), params), 0
    while scale * 2**halvings <= 0.5:
        halvings += 1
    unit = 2**halvings
    return Box(x0, y0, x1 - (x1 - x0) % unit, y1 - (y1 - y0) % unit), halvings


def _resample(
    upright: Gray, crop: Box, halvings: int, geometry: Geometry, params: Preparation
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Exact 2 x 2 means, then linear at the geometry's own scale: no rounding of the size."""
    part = upright[crop.y0 : crop.y1, crop.x0 : crop.x1]
    for _ in range(halvings):
        half = (part.shape[1] // 2, part.shape[0] // 2)
        part = np.asarray(cv2.resize(part, half, interpolation=cv2.INTER_AREA), np.uint8)
    if geometry.mirrored:
        part = np.asarray(cv2.flip(part, 1), np.uint8)
    scale = geometry.scale * 2**halvings
    size = (
        min(params.width, round(part.shape[1] * scale)),
        min(params.height, round(part.shape[0] * scale)),
    )
    shift = 0.5 / scale - 0.5  # pixel centres: (x + 0.5) / scale - 0.5
    matrix = np.array([[1 / scale, 0, shift], [0, 1 / scale, shift]])
    scaled = cv2.warpAffine(
        np.ascontiguousarray(part),
        matrix,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    tensor = np.zeros((1, params.height, params.width), np.uint8)
    tensor[0, : size[1], : size[0]] = scaled
    return tensor, (size[1], size[0])


def _native_shape(decoded: Decoded) -> tuple[int, int] | None:
    """Rows and columns of the stored image, if it was decoded at half resolution."""
    return (decoded.header.Rows, decoded.header.Columns) if decoded.half else None


def _of_native(geometry: Geometry, box: Box, shape: tuple[int, int]) -> tuple[Geometry, Box]:
    """The geometry over, and a box in, the native image of which the stored one is the low pass.

    Sample i of a wavelet's first low pass lies on native pixel 2 i, not between two as a mean
    of them would (ITU-T T.800 annex F, both filters): its outer corner is at 2 i - 0.5.
    """
    whole = replace(geometry, left=0.0, top=0.0, scale=1.0, mirrored=False)
    x0, y0 = geometry.left, geometry.top
    crop = whole.to_native(np.array([[x0, y0, x0 + geometry.width, y0 + 1]]))
    native = replace(whole, native_shape=shape)
    left, top, right, _ = native.to_prepared(2 * crop - 0.5)[0]
    moved = replace(
        geometry,
        left=float(left),
        top=float(top),
        width=float(right - left),
        scale=geometry.scale / 2,
        native_shape=shape,
    )
    rows, columns = shape
    return moved, Box(2 * box.x0, 2 * box.y0, min(columns, 2 * box.x1), min(rows, 2 * box.y1))


def _stored(box: Box, geometry: Geometry) -> Box:
    """A box of the upright image in the stored one."""
    whole = replace(geometry, left=0.0, top=0.0, scale=1.0, mirrored=False)
    return Box(*(int(v) for v in whole.to_native(np.array([box], np.float64))[0]))
