"""DDSM's .OVERLAY files: abnormalities with their outlines as chain codes."""

from dataclasses import dataclass

from training.datasets.outlines import Polygon, chain

CODES = frozenset("01234567")
LONGEST = 100_000  # steps of a chain: a film's edge has some 20,000


class OverlayError(Exception):
    """A file that is no overlay: what is missing."""


@dataclass(frozen=True, slots=True)
class Abnormality:
    """What a radiologist marked, with the words that stand there."""

    types: tuple[tuple[str, str], ...]  # kind, descriptors: one or more
    assessment: str
    subtlety: str
    pathology: str
    announced: int  # outlines
    outlines: tuple[Polygon, ...]  # the outer one first
    broken: int  # outlines that cannot be read


@dataclass(frozen=True, slots=True)
class Overlay:
    """All of a film."""

    announced: int
    abnormalities: tuple[Abnormality, ...]


def parse_overlay(text: str) -> Overlay:
    """The abnormalities of an overlay. Raises OverlayError for a file that is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    head = lines[0].split() if lines else []
    if len(head) != 2 or head[0] != "TOTAL_ABNORMALITIES" or not head[1].isdecimal():
        raise OverlayError("TOTAL_ABNORMALITIES is missing")
    starts = [i for i, line in enumerate(lines) if line.split()[0] == "ABNORMALITY"]
    blocks = [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    return Overlay(int(head[1]), tuple(_abnormality(block[1:]) for block in blocks))


def _abnormality(lines: list[str]) -> Abnormality:
    types: list[tuple[str, str]] = []
    words = {"ASSESSMENT": "", "SUBTLETY": "", "PATHOLOGY": "", "TOTAL_OUTLINES": ""}
    outlines: list[Polygon] = []
    broken = 0
    expected = False  # whether the next line is a chain
    for line in lines:
        key, _, value = line.partition(" ")
        value = value.strip()
        if expected:
            drawn = parse_chain(line)
            broken += drawn is None
            outlines += [drawn] if drawn else []
            expected = False
        elif key == "LESION_TYPE":
            kind, _, descriptors = value.partition(" ")
            types.append((kind, descriptors.strip()))
        elif key in words:
            words[key] = value
        elif key in ("BOUNDARY", "CORE"):
            expected = True
    announced = words["TOTAL_OUTLINES"]
    return Abnormality(
        types=tuple(types),
        assessment=words["ASSESSMENT"],
        subtlety=words["SUBTLETY"],
        pathology=words["PATHOLOGY"],
        announced=int(announced) if announced.isdecimal() else 0,
        outlines=tuple(outlines),
        broken=broken + expected,
    )


def parse_chain(line: str) -> Polygon | None:
    """`column row code code ... #` as a polygon; None where it is not that."""
    fields = line.split()
    if fields[-1:] == ["#"]:
        fields = fields[:-1]
    # ASCII digits alone: str.isdecimal would take other scripts' too, which int() reads.
    if not all(field.isascii() and field.isdecimal() for field in fields):
        return None
    if not 4 <= len(fields) <= LONGEST or set(fields[2:]) - CODES:
        return None
    if len(fields[0]) > 6 or len(fields[1]) > 6:
        return None
    return chain(int(fields[0]), int(fields[1]), [int(code) for code in fields[2:]])
