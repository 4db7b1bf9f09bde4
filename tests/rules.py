"""Rules of our own, beside ruff's: `python -m tests.rules` names every line that breaks one.

- No loader that guesses a format from bytes: what comes out of an archive is decoded by its
  transfer syntax, or not at all. Pictures of data sets and tests' own files are no archive.
- No forced reading of DICOM outside the places that have looked at the bytes before.
- No SQL by f-string, %, format or +: values are parameters, constant parts are put in by
  `.replace("{name}", CONSTANT)`.
- A log line's event is a literal, and its values have names from a list: pseudonyms, codes,
  counts, places in our code.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ROOMS = ("mammo", "db", "ray_jobs", "triton_repo", "nightread", "training", "benchmarks")

GUESSING = frozenset(
    {
        *("PIL.Image.open", "Image.open", "cv2.imread", "cv2.imdecode", "cv2.imreadmulti"),
        *("imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "iio.imread"),
        *("imagecodecs.imread", "imagecodecs.imdecode", "skimage.io.imread"),
    }
)
PICTURES_OF_DATA_SETS = ("training/datasets/", "benchmarks/")  # PNG and JPEG files of our choice
READERS = frozenset({"dcmread", "read_file", "read_partial"})
SNIFFED = (  # force pydicom where `mammo.sniff` has found a data set
    "mammo/part10.py",
    "ray_jobs/second_decoder.py",  # after the first one has read the file
)

MIGRATIONS = "db/migrations/"  # of constants alone, and never edited

LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
LOGGED = frozenset(
    {
        *("run", "object", "release", "study", "reason", "by", "at"),  # numbers, digests, codes
        *("objects", "screened", "scored", "not_scored", "bytes_read", "bytes_needed"),
        *("instance", "syntax", "apart", "tolerable", "why"),  # of two decoders
        *("stage", "peak_mb", "how", "hint"),  # of a death: sentences of ours
        *("at", "method", "status", "ms"),  # of an answer
        *("requests", "shared", "retries", "ejections", "failures", "mean_s", "slowest_s"),
    }
)


class Broken(NamedTuple):
    """A line that breaks a rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def broken(path: str, source: str) -> Iterator[Broken]:
    """What breaks a rule in a module; `path` is relative to the root."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for rule in _broken_by(path, node):
                yield Broken(path, node.lineno, rule)


def _broken_by(path: str, call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if name in GUESSING and not path.startswith(PICTURES_OF_DATA_SETS):
        yield f"{name} guesses what its bytes are"
    if last in READERS and path not in SNIFFED and any(k.arg == "force" for k in call.keywords):
        yield f"{name} is forced to read what nobody has sniffed"
    runs_sql = last in ("text", "execute", "executemany") and not path.startswith(MIGRATIONS)
    if runs_sql and call.args and _composed(call.args[0]):
        yield "SQL is put together from values"
    if name.startswith(("log.", "logger.", "logging.")) and last in LOG_METHODS:
        yield from _logged(call)


def _composed(argument: ast.expr) -> bool:
    """Whether a string is made by f-string, %, + or format; inside `text()` that counts too."""
    match argument:
        case ast.JoinedStr(values):
            return any(isinstance(value, ast.FormattedValue) for value in values)
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(attr="format"), args=args, keywords=[]):
            return not all(_quoted(one) for one in args)
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            return True
        case ast.Call(func=ast.Attribute(value=inner, attr="replace"), args=[_, part]):
            return not (isinstance(part, ast.Name) and part.id.isupper()) or _composed(inner)
    return False


def _quoted(argument: ast.expr) -> bool:
    """Whether psycopg2 quotes it."""
    return isinstance(argument, ast.Call) and ast.unparse(argument.func) == "sql.Identifier"


def _logged(call: ast.Call) -> Iterator[str]:
    match call.args:
        case [ast.Constant(value=str())]:
            pass
        case _:
            yield "a log line's event is one literal"
    for keyword in call.keywords:
        known = keyword.arg in LOGGED if keyword.arg else _counts(keyword.value)
        if not known:
            yield f"a log line says `{keyword.arg or ast.unparse(keyword.value)}`"


def _counts(value: ast.expr) -> bool:
    """`**_counts(…)`, whose keys a test of the log knows."""
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "_counts"


def all_broken(rooms: Iterable[str] = ROOMS) -> list[Broken]:
    """In the whole project, the tests apart: they make what must not be."""
    files = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [
        one
        for path in files
        for one in broken(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]


if __name__ == "__main__":
    found = all_broken()
    for one in found:
        print(one)
    sys.exit(bool(found))
