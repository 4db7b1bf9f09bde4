"""Rules of our own that no linter knows: what must not stand in the product's code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("mammo", "triton_repo", "db", "ray_jobs", "nightread")
GUESSING = frozenset({"imread", "imdecode", "imagefileread", "imreadmulti"})
FORCED = {"mammo/part10.py", "ray_jobs/second_decoder.py"}  # the sniffed bytes; a check's child
KEYWORD = re.compile(r"[A-Z][a-z]\w*[A-Z]?\w*")  # PatientName: an attribute of a data set
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+")


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The last name of what is called, and the call."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, node
            elif isinstance(function, ast.Name):
                yield function.id, node


def guesses_a_format(path: Path) -> list[int]:
    return [call.lineno for name, call in calls(path) if name in GUESSING]


def reads_by_force(path: Path) -> list[int]:
    return [
        call.lineno
        for name, call in calls(path)
        if name == "dcmread" and any(k.arg == "force" for k in call.keywords)
    ]


def formats_sql(path: Path) -> list[int]:
    """`text(f"...")` with anything in it but constants of the module: values are parameters."""
    return [
        call.lineno
        for name, call in calls(path)
        if name == "text"
        for argument in call.args
        if isinstance(argument, ast.JoinedStr)
        for part in argument.values
        if isinstance(part, ast.FormattedValue)
        and not (isinstance(part.value, ast.Name) and CONSTANT.fullmatch(part.value.id))
    ]


def logs_a_data_set(path: Path) -> list[int]:
    """A log line with an attribute of a data set, or with a sentence put together on the spot."""
    found = []
    for name, call in calls(path):
        if name not in {"debug", "info", "warning", "error", "exception", "critical"}:
            continue
        inside = [node for part in [*call.args, *call.keywords] for node in ast.walk(part)]
        found += [
            call.lineno
            for node in inside
            if isinstance(node, ast.JoinedStr)
            or (isinstance(node, ast.Attribute) and KEYWORD.fullmatch(node.attr))
        ]
    return found


def test_no_loader_guesses_a_format() -> None:
    assert {str(p): lines for p in sources() if (lines := guesses_a_format(p))} == {}


def test_only_the_sniffed_bytes_are_read_by_force() -> None:
    assert {str(p.relative_to(ROOT)) for p in sources() if reads_by_force(p)} == FORCED


def test_no_sql_is_formatted() -> None:
    assert {str(p): lines for p in sources() if (lines := formats_sql(p))} == {}


def test_no_value_of_a_data_set_is_logged() -> None:
    assert {str(p): lines for p in sources() if (lines := logs_a_data_set(p))} == {}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (guesses_a_format, "cv2.imread(path)"),
        (guesses_a_format, "imagecodecs.imread(data)"),
        (reads_by_force, "pydicom.dcmread(path, force=True)"),
        (formats_sql, "text(f'SELECT * FROM x WHERE id = {key}')"),
        (formats_sql, "text(f'SELECT {row.name}')"),
        (logs_a_data_set, "log.info('read', name=dataset.PatientName)"),
        (logs_a_data_set, "log.error(f'cannot read {path}')"),
    ],
)
def test_each_rule_sees_what_it_forbids(tmp_path: Path, rule, code: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(code)
    assert rule(path) == [1]
