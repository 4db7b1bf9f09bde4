"""DDSM's .ics files: what is said of a case and of its films."""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

FILM = re.compile(
    r"^(LEFT|RIGHT)_(CC|MLO)\s+LINES\s+([1-9]\d{0,5})\s+PIXELS_PER_LINE\s+([1-9]\d{0,5})"
    r"\s+BITS_PER_PIXEL\s+(\d+)\s+RESOLUTION\s+(\S+)\s+(NON_OVERLAY|OVERLAY)\s*$"
)
MOST = 1 << 24  # bytes of a text file, expanded: a real one has some thousand


@dataclass(frozen=True, slots=True)
class Case:
    """What an .ics says."""

    name: str  # A-1234-1
    values: dict[str, str]
    films: tuple[re.Match[str], ...]
    broken: int  # lines after SEQUENCE that are no film


def read_text(path: Path) -> str:
    """A text file, expanded if it is gzipped; raises ValueError for one that is far too large."""
    if path.name.endswith(".gz"):
        with gzip.open(path) as file:
            data = file.read(MOST + 1)
    else:
        with path.open("rb") as plain:
            data = plain.read(MOST + 1)
    if len(data) > MOST:
        raise ValueError("too large for a text file of DDSM")
    return data.decode("latin-1")


def parse_case(text: str) -> Case:
    """An .ics. Raises ValueError where it names no case."""
    values: dict[str, str] = {}
    films, broken, sequence = [], 0, False
    for raw in text.splitlines():
        line = raw.strip()
        if line == "SEQUENCE":
            sequence = True
        elif sequence and line:
            match = FILM.match(line)
            if match:
                films.append(match)
            else:
                broken += 1
        elif line:
            key, _, value = line.partition(" ")
            values[key.upper()] = value.strip()
    name = values.get("FILENAME", "").removesuffix(".ics")
    if not re.fullmatch(r"[A-Z]-\d+-\d+", name):
        raise ValueError("no case is named")
    return Case(name, values, tuple(films), broken)
