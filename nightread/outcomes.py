"""Reading a file of outcomes: each line by itself, and what is wrong with it in words of ours."""

import csv
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, TextIO, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.outcomes import KINDS, Kept, Outcome, keep
from db.session import in_transaction
from mammo.pseudonym import Pseudonyms
from nightread.errors import Refused, UsageError

COLUMNS = ("study", "laterality", "kind", "date", "result")
RESULTS = ("malignant", "benign", "normal")
PAGE = 500  # lines a transaction
MOST_WRONG = 1000  # lines that are reported: a file with more is another file


class Wrong(NamedTuple):
    """A line that was not taken, and why; without what it says, which may name a patient."""

    line: int
    what: str


def read(file: TextIO, today: date) -> Iterator[Outcome | Wrong]:
    """Every line behind the header. Raises `Refused` when it is no file of outcomes."""
    rows = csv.DictReader(file)
    try:
        names = rows.fieldnames or []
        if not set(COLUMNS) <= set(names):
            raise Refused(f"It is no file of outcomes: its first line must name {_list(COLUMNS)}.")
        before: dict[tuple[str, str, str, date], int] = {}
        for row in rows:
            line = rows.line_num
            outcome = _outcome(row, line, today)
            if isinstance(outcome, str):
                yield Wrong(line, outcome)
                continue
            key = (outcome.study, outcome.laterality, outcome.kind, outcome.found_on)
            first = before.setdefault(key, line)
            if first == line:
                yield outcome
            else:
                yield Wrong(line, f"line {first} has this study, breast, kind and day already")
    except csv.Error:
        raise Refused(
            f"The file is no CSV from line {rows.line_num} on: what stands before it was taken."
        ) from None


def take(
    engine: Engine, path: Path, pseudonyms: Pseudonyms, today: date
) -> tuple[Kept, list[Wrong]]:
    """Import a file; what is wrong with a line costs that line alone."""
    kept, wrong = Kept(), []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = read(file, today)
            while page := list(islice(lines, PAGE)):
                wrong += [line for line in page if isinstance(line, Wrong)]
                right = [line for line in page if isinstance(line, Outcome)]

                def write(session: Session, right: list[Outcome] = right) -> Kept:
                    return keep(session, right, pseudonyms)

                kept += in_transaction(engine, write)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None
    wrong += [Wrong(line, "the study stands in the file by another name") for line in kept.twice]
    wrong += [Wrong(line, "date is before the study was taken") for line in kept.early]
    return kept, sorted(wrong)


def _outcome(row: dict[str, str | None], line: int, today: date) -> Outcome | str:
    study, side, kind, day, result = ((row[name] or "").strip() for name in COLUMNS)
    found_on = _day(day)
    if None in row:
        return "it has more values than the first line has names"
    if not study or len(study) > 64:
        return "study is no Study Instance UID and no pseudonym"
    if side not in ("L", "R"):
        return "laterality must be L or R"
    if kind not in KINDS:
        return f"kind must be {_list(KINDS)}"
    if result not in RESULTS:
        return f"result must be {_list(RESULTS)}"
    if kind == "interval_cancer" and result != "malignant":
        return "an interval cancer is malignant"
    if found_on is None:
        return "date must be a day as YYYY-MM-DD"
    if found_on > today:
        return "date is in the future"
    laterality = cast("Literal['L', 'R']", side)
    return Outcome(line, study, laterality, kind, found_on, result == "malignant")


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said) if len(said) == 10 else None
    except ValueError:
        return None


def _list(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 2 else " or ".join(words)
