"""`nightread stack`: the local SeaweedFS, PostgreSQL and Triton."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nightread.shapes import ServiceStatus
    from nightread.stack.layout import Layout

app = typer.Typer(
    help="Start, stop and examine the local SeaweedFS, PostgreSQL and Triton.",
    no_args_is_help=True,
)

NOT_RUNNING = 3
COLOURS = {"running": "green", "failed": "red", "stopped": "yellow"}

Folder = Annotated[Path, typer.Option("--dir", help="Where the stack keeps everything.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DEFAULT = Path(".nightread")


def _layout(folder: Path) -> "Layout":
    from nightread.stack.layout import Layout

    return Layout(folder.absolute())


def _show(rows: "list[ServiceStatus]", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for heading in ("service", "state", "address", "pid"):
        table.add_column(heading, no_wrap=True)
    table.add_column("proof")
    for row in rows:
        state = Text(row.state, style=COLOURS[row.state])
        address = re.sub(r"^\w+://|(?<=\d)/.*", "", row.url or "")
        pid = str(row.pid) if row.pid is not None else ""
        # Text, not str: a log's line may hold what rich would read as markup.
        table.add_row(row.service, state, address, pid, Text(row.proof))
    Console().print(table)


@app.command()
def up(folder: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Start the services, prove each by real work and write the settings for other commands.

    Example: nightread stack up
    """
    from nightread.settings import load_settings
    from nightread.stack.up import up as bring_up

    # Only the environment: an earlier stack's own file would pin its release.
    settings = load_settings(stack_file=None)
    _show(bring_up(_layout(folder), settings, lambda line: typer.echo(line, err=True)), as_json)


@app.command()
def down(folder: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Stop the services; data and credentials stay in the folder.

    Example: nightread stack down
    """
    from nightread.stack.down import down as take_down
    from nightread.stack.status import status as examine

    layout = _layout(folder)
    ran = take_down(layout)
    if as_json:
        _show(examine(layout), as_json)
    else:
        typer.echo("Stopped." if ran else f"Nothing was running in {layout.root}.", err=True)


@app.command()
def status(folder: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show each service, proven anew by real work. Exit code 3 unless all run.

    Example: nightread stack status --json
    """
    from nightread.stack.status import status as examine

    rows = examine(_layout(folder))
    _show(rows, as_json)
    if any(row.state != "running" for row in rows):
        raise typer.Exit(NOT_RUNNING)
