"""Every benchmark, one after the other, as tables in Markdown: `python -m benchmarks [--quick]`."""

import importlib
import json
import pkgutil
from dataclasses import asdict

import benchmarks
from benchmarks.paired import Row, parser


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


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    everything = measured(quick=given.quick)
    if given.json:
        print(json.dumps({name: [asdict(r) for r in rows] for name, rows in everything.items()}))
    else:
        print("\n".join(markdown(name, rows) for name, rows in everything.items()))
