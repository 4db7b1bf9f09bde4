"""The ensemble of a release as a picture: its models, and the tensors that go between them."""

from collections import defaultdict
from html import escape
from typing import NamedTuple

from triton_repo.contract import Step, Tensor
from triton_repo.release import Release

WIDE, LINE, PAD, GAP, BETWEEN = 200, 18, 12, 28, 70  # pixels: a box, a line of text, spaces
LANE = 22  # between two lanes below the boxes: what skips a column goes there
# Under a class of its own: inside a page it must not style other pictures.
STYLE = """
  .ensemble text { font: 12px system-ui, sans-serif; fill: #1c2733 }
  .ensemble .name { font-weight: 600; font-size: 14px }
  .ensemble .box { fill: #fff; stroke: #4a6fa5; stroke-width: 1.5 }
  .ensemble .end { fill: #eef3fa }
  .ensemble .lane { font-size: 11px; fill: #5a6b80 }
  .ensemble .arrow { fill: none; stroke: #8aa0bd; stroke-width: 1.5; marker-end: url(#tip) }
"""

TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0 8 4 0 8z" fill="#8aa0bd"/></marker></defs>'
)


class _Box(NamedTuple):
    """A model, or one end of the ensemble."""

    name: str
    lines: tuple[str, ...]
    reads: frozenset[str]  # the ensemble's tensors
    writes: frozenset[str]
    end: bool


class _Placed(NamedTuple):
    """A box in the picture."""

    box: _Box
    column: int
    x: float
    y: float

    @property
    def middle(self) -> float:
        """Where arrows come in and go out."""
        return self.y + _height(self.box) / 2

    @property
    def bottom(self) -> float:
        """Where a lane begins and ends."""
        return self.y + _height(self.box)


def svg(release: Release) -> str:
    """One SVG image: what comes in on the left, what the client gets on the right."""
    columns = _columns(_boxes(release))
    heights = [sum(map(_height, column)) + GAP * (len(column) - 1) for column in columns]
    placed = []
    for number, (column, height) in enumerate(zip(columns, heights, strict=True)):
        y = GAP + (max(heights) - height) / 2
        for box in column:
            placed.append(_Placed(box, number, GAP + number * (WIDE + BETWEEN), y))
            y += _height(box) + GAP
    floor = GAP + max(heights)
    lanes, depth = _lanes(placed, floor)
    total = floor + depth + GAP
    width = 2 * GAP + len(columns) * WIDE + (len(columns) - 1) * BETWEEN
    size = f'viewBox="0 0 {width} {total:g}" width="{width}" height="{total:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ensemble" {size} role="img">',
            f"<title>The ensemble of {escape(release.manifest.name)}</title>",
            f"<style>{STYLE}</style>",
            TIP,
            f'<rect width="{width}" height="{total:g}" fill="#fafbfd"/>',
            *lanes,
            *_arrows(placed),
            *map(_drawn, placed),
            "</svg>\n",
        ]
    )


def _boxes(release: Release) -> list[_Box]:
    whole = release.manifest.ensemble
    given = frozenset(tensor.name for tensor in whole.inputs)
    answered = frozenset(tensor.name for tensor in whole.outputs)
    return [
        _Box("a prepared view", _lines(whole.inputs), frozenset(), given, end=True),
        *(_of_step(step) for step in release.steps),
        _Box("what a client gets", _lines(whole.outputs), answered, frozenset(), end=True),
    ]


def _of_step(step: Step) -> _Box:
    wanted = [tensor for tensor in step.model.outputs if tensor.name in step.writes]
    reads, writes = frozenset(step.reads.values()), frozenset(step.writes.values())
    return _Box(step.model.name, _lines(tuple(wanted)), reads, writes, end=False)


def _lines(tensors: tuple[Tensor, ...]) -> tuple[str, ...]:
    return tuple(f"{t.name}  {t.dtype} {' × '.join(map(str, t.dims))}" for t in tensors)


def _columns(boxes: list[_Box]) -> list[list[_Box]]:
    """Boxes by how many others they wait for, one behind the other."""
    depth: dict[str, int] = defaultdict(int)  # of a tensor: the first column that may read it
    found: dict[int, list[_Box]] = defaultdict(list)
    for box in boxes:
        column = max((depth[name] for name in box.reads), default=0)
        if box.end and box.reads:
            column = max(found) + 1
        found[column].append(box)
        depth.update(dict.fromkeys(box.writes, column + 1))
    return [found[column] for column in sorted(found)]


def _height(box: _Box) -> float:
    return 2 * PAD + LINE * (1 + len(box.lines))


def _drawn(placed: _Placed) -> str:
    box, _, x, y = placed
    kind = "box end" if box.end else "box"
    text = [f'<text class="name" x="{x + PAD:g}" y="{y + PAD + 12:g}">{escape(box.name)}</text>']
    text += [
        f'<text x="{x + PAD:g}" y="{y + PAD + 12 + LINE * n:g}">{escape(line)}</text>'
        for n, line in enumerate(box.lines, 1)
    ]
    frame = f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDE}" height="{_height(box):g}" rx="6"/>'
    return frame + "".join(text)


def _arrows(placed: list[_Placed]) -> list[str]:
    """From each box to each of the next column that reads something of it."""
    found = []
    for one in placed:
        for other in placed:
            if other.column == one.column + 1 and one.box.writes & other.box.reads:
                x0, y0, x1, y1 = one.x + WIDE, one.middle, other.x - 2, other.middle
                bend = (x1 - x0) / 2
                found.append(
                    f'<path class="arrow" d="M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} '
                    f'{x1 - bend:g} {y1:g} {x1:g} {y1:g}"/>'
                )
    return found


def _lanes(placed: list[_Placed], floor: float) -> tuple[list[str], float]:
    """What skips a column: down from its box, along a lane of its own below all boxes, and up.

    Also returns how far the lanes reach below `floor`.
    """
    found, depth = [], 0.0
    for one in placed:
        readers = [
            (other, one.box.writes & other.box.reads)
            for other in placed
            if other.column > one.column + 1 and one.box.writes & other.box.reads
        ]
        if not readers:
            continue
        depth += LANE
        y, begin = floor + depth, one.x + WIDE / 2
        names = ", ".join(sorted({name for _, names in readers for name in names}))
        for other, _ in readers:
            up, end = other.x - BETWEEN / 4, other.bottom - PAD
            found.append(
                f'<path class="arrow" d="M{begin:g} {one.bottom:g}V{y:g}H{up:g}V{end:g}'
                f'H{other.x - 2:g}"/>'
            )
        found.append(f'<text class="lane" x="{begin + 6:g}" y="{y - 5:g}">{escape(names)}</text>')
    return found, depth
