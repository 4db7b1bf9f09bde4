"""Pieces of HTML: figures, tables, galleries. Every text from outside passes through `escape`."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from math import isnan

import cv2

from training.datasets.record import Box
from training.datasets.store import Gray
from training.evaluation.bootstrap import Interval
from training.evaluation.predictions import Case
from training.report.worst import Failure, shown_marks

FEW = 10  # patients under which an interval by drawing patients says little
WIDTH = 420  # pixels of a picture on the page
QUALITY = 82  # of its JPEG


def number(value: float) -> str:
    """A figure with two decimals, a dash where there is none."""
    return "&ndash;" if isnan(value) else f"{value:.2f}"


def interval(found: Interval, patients: int | None = None) -> str:
    """The figure with its interval behind it, where drawing patients says anything of one."""
    if not _drawn(found, patients):
        return f"<b>{number(found.value)}</b>"
    bounds = f"{found.low:.2f}&ndash;{found.high:.2f}"
    return f'<b>{number(found.value)}</b> <span class="ci">{bounds}</span>'


def bar(found: Interval, patients: int | None = None) -> str:
    """The figure and its interval drawn on a scale from 0 to 1."""
    if isnan(found.value):
        return ""
    ends = (found.low, found.high) if _drawn(found, patients) else (found.value, found.value)
    low, high, value = (100 * min(max(v, 0.0), 1.0) for v in (*ends, found.value))
    return (
        f'<span class="bar"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<u style="left:{value:.1f}%"></u></span>'
    )


def _drawn(found: Interval, patients: int | None) -> bool:
    """Whether there is an interval to show: not of few patients, nor where all draws are equal."""
    few = patients is not None and patients < FEW
    return not (few or isnan(found.low) or found.low == found.high)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], name: str = "") -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f'<table class="{name}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def plot(svg: str, title: str, said: str) -> str:
    """A plot over its title and what it shows."""
    return f"<figure>{svg}<figcaption><b>{escape(title)}</b> {escape(said)}</figcaption></figure>"


def failure(one: Failure, picture: Gray, threshold: float) -> str:
    """A case's picture with lesions and marks; the one that matters is drawn thick."""
    rows, columns = picture.shape
    shapes = [
        _box(lesion.box, f"lesion{' missed' if number == one.lesion else ''}")
        for number, lesion in enumerate(one.case.view.lesions)
    ]
    marks = sorted({*shown_marks(one.case, threshold).tolist(), *_alone(one.mark)})
    shapes += [
        _box(_corners(one.case, n), f"mark{' worst' if n == one.mark else ''}") for n in marks
    ]
    height = round(WIDTH * rows / columns)
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    code = base64.b64encode(data.tobytes()).decode()
    return (
        f'<figure class="case"><svg viewBox="0 0 {columns} {rows}" role="img">'
        f'<image href="data:image/jpeg;base64,{code}" width="{columns}" height="{rows}"/>'
        f"{''.join(shapes)}</svg><figcaption><b>{escape(one.case.view.name)}</b> "
        f"{escape(one.said)}</figcaption></figure>"
    )


def _alone(mark: int | None) -> tuple[int, ...]:
    return () if mark is None else (mark,)


def _corners(case: Case, mark: int) -> Box:
    x0, y0, x1, y1 = case.prediction.boxes[mark].tolist()
    return x0, y0, x1, y1


def _box(box: Box, kind: str) -> str:
    x0, y0, x1, y1 = box
    size = f'width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'
    return f'<rect class="{kind}" x="{x0:.1f}" y="{y0:.1f}" {size} rx="3"/>'
