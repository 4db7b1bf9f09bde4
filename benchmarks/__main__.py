"""Every benchmark, one after the other, as tables in Markdown.

`python -m benchmarks [--quick] [--json]` prints them; `--write` puts them into docs/results.md.
"""

import importlib
import json
import os
import pkgutil
from dataclasses import asdict
from pathlib import Path

import benchmarks
from benchmarks.paired import Row, as_a_worker, parser

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN, END = "<!-- tables: written by `make bench` -->", "<!-- end of tables -->"


def measured(*, quick: bool) -> dict[str, list[Row]]:
    """The rows of each module of this folder that has `measure(quick=...)`."""
    found = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"benchmarks.{module.name}")
            if hasattr(loaded, "measure"):
                found[module.name] = loaded.measure(quick=quick)
    return found


def markdown(name: str, rows: list[Row]) -> str:
    """A table as docs/results.md has it."""
    lines = [
        f"## {name}",
        "",
        f"`python -m benchmarks.{name}`",
        "",
        "| case | ours | peer | unit | ratio | goal | the peer is |",
        "|---|---:|---:|---|---:|---:|---|",
    ]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}"
        lines.append(
            f"| {row.case} | {row.ours:.3g} | {row.peer:.3g} | {row.unit} "
            f"| {row.ratio:.2f} | {goal} | {row.peer_is} |"
        )
    return "\n".join([*lines, ""])


def write(tables: str) -> None:
    """Replace the tables of docs/results.md."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{tables}\n{END}{tail}")


if __name__ == "__main__":
    arguments = parser(__doc__ or "")
    arguments.add_argument("--write", action="store_true", help="into docs/results.md")
    given = arguments.parse_args()
    as_a_worker()
    load = os.getloadavg()[0]
    everything = measured(quick=given.quick)
    if given.json:
        print(json.dumps({name: [asdict(r) for r in rows] for name, rows in everything.items()}))
    else:
        tables = "\n".join(markdown(name, rows) for name, rows in everything.items())
        if given.write:
            write(f"{tables}\nLoad average at the start: {load:.1f}.")
        print(tables)
