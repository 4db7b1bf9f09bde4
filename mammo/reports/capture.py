"""A study's result as one picture, Secondary Capture, for viewers that show nothing else.

Views hang as usual: right breast left, chest walls together, CC over MLO. Each view keeps the
rendering of its header; text, boxes and what could not be analysed are burned in.
Sources: PS3.3 A.8.1, C.7.6.3 (pixels), C.8.6 (SC equipment).
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo.breast import Gray
from mammo.reports.contents import LINES, NOTICE, PRODUCT, Failure, Image, Mark, Report
from mammo.reports.modules import begun, local, reference, sealed, sequence
from mammo.views import STANDARD, Laterality, Projection

Picture = NDArray[np.uint8]  # (rows, columns, 3), red green blue

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.7"
SERIES_NUMBER = 9403
PANEL = (1000, 820)  # rows, columns of a view: a sheet fits a diagnostic display
GAP = 16
TOP, BOTTOM = 96, 64  # of the sheet's title and of the notice
CAPTION = 40  # above each view: in its corners may stand markers and labels of its own
SHEET = (12, 14, 18)
EMPTY = (24, 27, 33)
INK = (236, 238, 242)
FAINT = (150, 156, 166)
CORAL = (255, 116, 92)
AMBER = (250, 196, 84)
LINE = 2  # pixels of a box
PAD = 6  # pixels between a box and its tissue, so that the line hides none of it
FONT = cv2.FontFace("sans")
BIG, PLAIN, SMALL = 34, 26, 22  # pixels


class Panel(NamedTuple):
    """A place of the sheet: a view that was analysed, one that was not, or none at all."""

    side: Laterality
    name: str
    image: Image | None = None
    failure: Failure | None = None


def capture(report: Report, pictures: Mapping[str, Gray], headers: Sequence[Dataset]) -> Dataset:
    """The sheet as an object. `pictures` are the analysed images by UID: (rows, columns), 0 black.

    They may be smaller than their images, in the same proportions. `headers` are theirs.
    """
    drawn = sheet(report, pictures)
    made = begun(report, "overlay", SOP_CLASS, "OT", SERIES_NUMBER)
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.PatientOrientation = ""
    made.Laterality = ""  # both breasts
    made.ContentDate, made.ContentTime = local(report)
    made.DerivationDescription = f"{PRODUCT} {report.algorithm.release}: views reduced and marked"
    if report.images:
        made.SourceImageSequence = sequence(reference(image) for image in report.images)
    made.ImageComments = NOTICE
    made.BurnedInAnnotation = "YES"
    if any(str(header.get("LossyImageCompression", "")) == "01" for header in headers):
        made.LossyImageCompression = "01"
    made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = drawn.shape[:2]
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelRepresentation = 0
    made.PixelData = drawn.tobytes() + b"\0" * (drawn.size % 2)
    made["PixelData"].VR = "OB"
    return sealed(made)


def sheet(report: Report, pictures: Mapping[str, Gray]) -> Picture:
    """All views of a study, marked, with what is said of it."""
    lines = _hung(report)
    rows, columns = CAPTION + PANEL[0], PANEL[1]
    size = (TOP + len(lines) * (rows + GAP) + BOTTOM, 2 * columns + 3 * GAP)
    drawn = np.full((*size, 3), SHEET, np.uint8)
    _title(drawn, report)
    for nth, pair in enumerate(lines):
        for place, panel in enumerate(pair):
            if panel is None:
                continue
            top, left = TOP + nth * (rows + GAP), GAP + place * (columns + GAP)
            within = drawn[top : top + rows, left : left + columns]
            _name(within[:CAPTION], panel, report)
            within[CAPTION:] = _panel(panel, report, pictures)
    foot = (
        f"{NOTICE}.  {PRODUCT} release {report.algorithm.release} ({report.algorithm.digest[:12]})"
    )
    _write(drawn, foot, (GAP + 4, size[0] - 22), AMBER, PLAIN)
    return drawn


def _hung(report: Report) -> list[tuple[Panel | None, Panel | None]]:
    """Pairs of right and left, CC and MLO first; a standard view that is missing has a place too."""
    held: dict[tuple[Laterality, str], list[Panel]] = {}
    for image in report.images:
        if image.laterality:
            panel = Panel(image.laterality, image.name, image=image)
            held.setdefault((image.laterality, image.view or "?"), []).append(panel)
    for failure in report.failures:
        image = failure.image
        if image.laterality:
            panel = Panel(image.laterality, image.name, failure=failure)
            held.setdefault((image.laterality, image.view or "?"), []).append(panel)
    for side, view in STANDARD:
        held.setdefault((side, view), [Panel(side, f"{side} {view}")])
    first = [str(view) for view in (Projection.CC, Projection.MLO)]
    views = first + sorted({str(view) for _, view in held} - set(first))
    return [
        pair
        for view in views
        for pair in zip_longest(
            held.get((Laterality.RIGHT, view), []), held.get((Laterality.LEFT, view), [])
        )
    ]


def _panel(panel: Panel, report: Report, pictures: Mapping[str, Gray]) -> Picture:
    rows, columns = PANEL
    drawn = np.full((rows, columns, 3), EMPTY, np.uint8)
    if panel.image is not None:
        gray = pictures[panel.image.sop_instance_uid]
        drawn[:] = 0
        scale = min(rows / gray.shape[0], columns / gray.shape[1])
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        small = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA))
        left = columns - size[0] if panel.side is Laterality.RIGHT else 0
        top = (rows - size[1]) // 2
        drawn[top : top + size[1], left : left + size[0]] = small[:, :, None]
        ratio = size[0] / (panel.image.columns or gray.shape[1])
        marks = report.marks_in(panel.image)
        for mark in reversed(marks):  # the most suspicious on top
            _box(drawn, mark, ratio, (left, top))
    elif panel.failure is not None:
        line = LINES.get(panel.failure.reason, "")
        _middle(drawn, ["NOT ANALYSED", panel.failure.reason, line], AMBER)
    else:
        _middle(drawn, ["no image"], FAINT)
    return drawn


def _name(strip: Picture, panel: Panel, report: Report) -> None:
    """Side and view, and what was found, from the outer edge inwards."""
    remark, colour = "", FAINT
    if panel.image is not None:
        found = len(report.marks_in(panel.image))
        remark = f"{found or 'no'} finding{'' if found < 2 else 's'}"
    elif panel.failure is not None:
        remark, colour = "not analysed", AMBER
    words = [(panel.name, BIG, INK), (remark, SMALL, colour)]
    x = 4
    if panel.side is Laterality.LEFT:
        words.reverse()
        x = strip.shape[1] - 4 - sum(_width(text, size) for text, size, _ in words) - GAP
    for text, size, ink in words:
        _write(strip, text, (x, CAPTION - 10), ink, size)
        x += _width(text, size) + GAP


def _middle(drawn: Picture, lines: Sequence[str], colour: tuple[int, int, int]) -> None:
    y = drawn.shape[0] // 2 - 20 * len(lines)
    for nth, text in enumerate(lines):
        size, ink = (BIG, colour) if nth == 0 else (SMALL, FAINT)
        _write(drawn, text, ((drawn.shape[1] - _width(text, size)) // 2, y), ink, size)
        y += 44


def _box(drawn: Picture, mark: Mark, ratio: float, corner: tuple[int, int]) -> None:
    left, top = corner
    x0, x1 = (round(x * ratio) + left for x in (mark.box[0], mark.box[2]))
    y0, y1 = (round(y * ratio) + top for y in (mark.box[1], mark.box[3]))
    rows, columns = drawn.shape[:2]
    x0, y0 = max(LINE, x0 - PAD), max(LINE, y0 - PAD)
    x1, y1 = min(columns - 1 - LINE, x1 + PAD), min(rows - 1 - LINE, y1 + PAD)
    cv2.rectangle(drawn, (x0 - 1, y0 - 1), (x1 + 1, y1 + 1), SHEET, LINE + 2)
    cv2.rectangle(drawn, (x0, y0), (x1, y1), CORAL, LINE)
    text = f"{mark.kind} {mark.score}/10"
    width = _width(text, SMALL)
    x = min(max(4, x0), columns - width - 8)
    y = y0 - 10 if y0 > 40 else min(y1 + 28, rows - 8)
    cv2.rectangle(drawn, (x - 4, y - 22), (x + width + 4, y + 6), SHEET, cv2.FILLED)
    _write(drawn, text, (x, y), CORAL, SMALL)


def _title(drawn: Picture, report: Report) -> None:
    said = report.study_score
    text = (
        f"Study score {said.score} of 10, {report.level}"
        if said
        else f"Not scored: {report.reason}"
    )
    _write(drawn, text, (GAP + 4, 44), INK if said else AMBER, BIG)
    breasts = "   ".join(
        f"{'right' if side is Laterality.RIGHT else 'left'} breast {one.score} of 10"
        for side, one in sorted(report.breasts, reverse=True)
    )
    date = report.study.date
    when = f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 else ""
    unplaced = len(report.unread) + sum(not f.image.laterality for f in report.failures)
    more = f"{unplaced} more file{'s' * (unplaced > 1)} not analysed" if unplaced else ""
    line = "   ".join(part for part in (when, breasts, more) if part)
    _write(drawn, line, (GAP + 4, 78), FAINT, SMALL)
    x = drawn.shape[1] - GAP - 4 - _width(PRODUCT, BIG)
    _write(drawn, PRODUCT, (x, 44), FAINT, BIG)


def _width(text: str, size: int) -> int:
    """Pixels that a text takes, with the space between its letters."""
    box = cv2.getTextSize((1, 1), text, (0, 0), FONT, size)
    return int(box[0] + box[2])


def _write(
    drawn: Picture, text: str, at: tuple[int, int], colour: tuple[int, int, int], size: int
) -> None:
    """`drawn` may be a part of a sheet, into which OpenCV does not draw by itself."""
    if text:
        inked = np.ascontiguousarray(drawn)
        cv2.putText(inked, text, at, colour, FONT, size)
        drawn[:] = inked
