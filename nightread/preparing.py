"""One file prepared as the job prepares it, timed, and written for a person or a program."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo import plausible
from mammo.decode import Decoded, PixelError, decode
from mammo.facts import Facts
from mammo.header import NeedMore, parse
from mammo.prepare import Preparation, Prepared, prepare, prepare_gray
from nightread.errors import Refused, UsageError
from nightread.shapes import GeometryShape, PrepareDocument, PrepareMilliseconds
from training.datasets.collection import DatasetError
from training.datasets.pixels import picture
from training.datasets.readers.files import PICTURES


@dataclass(frozen=True, slots=True)
class View:
    """A file as the model sees it."""

    facts: Facts | None  # None: a picture, which says nothing of itself
    pixels: Decoded | NDArray[np.uint8]  # of a picture: gray, rows and columns
    prepared: Prepared
    milliseconds: dict[str, float]  # by stage

    def document(self, release: str) -> PrepareDocument:
        voi = " ".join(p for p in (self.prepared.voi, self.prepared.voi_explanation) if p)
        box = self.prepared.breast_box
        return PrepareDocument(
            shape=list(self.prepared.tensor.shape),
            dtype=str(self.prepared.tensor.dtype),
            release=release,
            geometry=GeometryShape.model_validate(self.prepared.geometry.as_dict()),
            breast_box=(box.x0, box.y0, box.x1, box.y1),
            laterality=self.facts and self.facts.laterality,
            view=self.facts and self.facts.view,
            voi=voi,
            milliseconds=PrepareMilliseconds(
                **{name: round(ms, 2) for name, ms in self.milliseconds.items()}
            ),
        )


def prepare_file(path: Path, params: Preparation) -> View:
    """Read, decode and prepare; raises `Refused` with the reason when that is not possible.

    A picture (JPEG, WebP, PNG, PGM, TIFF) is prepared too, with the same geometry.
    """
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            spent[name] += 1000 * (perf_counter() - began)

    if path.suffix.lower() in PICTURES:
        try:
            with stage("decode"):
                gray = picture(path)
        except DatasetError:
            raise Refused(f"{path.name} can't be prepared: it is no sound picture.") from None
        prepared = prepare_gray(gray, params, None, stage)
        none = {"read": 0.0, "voi": 0.0}  # read as it is decoded, and gray already
        return View(None, gray, prepared, none | spent)
    try:
        with stage("read"):
            data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None
    facts = _facts(data, path)
    try:
        with stage("decode"):
            decoded = decode(data, half=params.half_jpeg_2000)
            plausible.check(decoded.pixels)
    except PixelError as error:
        raise Refused(f"{path.name} can't be prepared: {error.reason}. {error.detail}") from None
    prepared = prepare(decoded, facts.laterality, params, stage)
    return View(facts, decoded, prepared, dict(spent))


def _facts(data: bytes, path: Path) -> Facts:
    try:
        header = parse(data, len(data))
    except NeedMore:
        raise Refused(f"{path.name} can't be prepared: its header does not end.") from None
    if header.facts is None:
        detail = header.judgement.detail if header.judgement else "It holds no image."
        raise Refused(f"{path.name} can't be prepared: {detail}")
    return header.facts


def write_tensor(view: View, out: Path) -> None:
    """`tensor` uint8 (1, height, width) and `geometry` as JSON."""
    geometry = json.dumps(view.prepared.geometry.as_dict())
    try:
        np.savez_compressed(out, tensor=view.prepared.tensor, geometry=np.array(geometry))
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}.") from None


def write_picture(view: View, boxes: Path | None, out: Path) -> None:
    """The crop on the native image, and the tensor beside it, boxes on both."""
    from mammo.picture import Mark, side_by_side  # noqa: PLC0415 -- only here
    from nightread.boxes import read  # noqa: PLC0415

    facts, geometry = view.facts, view.prepared.geometry
    found = read(boxes, facts.sop_instance_uid if facts else None) if boxes else []
    rows, columns = geometry.native_shape
    flags = [*map(str, view.prepared.reviews), *map(str, view.prepared.flags)]
    side, projection = (facts.laterality, facts.view) if facts else (None, None)
    caption = [
        f"{side or '?'} {projection or '?'}, {rows} x {columns}, "
        f"{view.prepared.voi or 'gray'} {view.prepared.voi_explanation}".rstrip(),
        f"scale {geometry.scale:.3f}{', mirrored' if geometry.mirrored else ''}"
        + (f"; {' '.join(flags)}" if flags else ""),
    ]
    marks = [Mark(*box.corners, box.caption) for box in found]
    drawn = side_by_side(view.prepared, _native(view), marks, caption)
    if not cv2.imwrite(str(out), drawn):
        raise UsageError(f"{out} can't be written: check that its folder is there.")


def _native(view: View) -> NDArray[np.uint8]:
    """The image in native pixels, 0 black; one decoded at half resolution is enlarged."""
    from mammo import voi  # noqa: PLC0415 -- only here

    if not isinstance(view.pixels, Decoded):
        return view.pixels
    native = voi.choose(view.pixels.header, view.pixels.pixels).apply(view.pixels.pixels)
    if view.pixels.half:
        native = np.asarray(cv2.resize(native, view.prepared.geometry.native_shape[::-1]), np.uint8)
    return native
