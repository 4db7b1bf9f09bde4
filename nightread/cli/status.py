"""`nightread status`: how far a run is, or how it ended."""

from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Config, Json

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.orm import Session

    from nightread.shapes import StatusDocument

EVERY_S = 2.0  # between two looks at a run


def command(
    run: Annotated[
        int | None, typer.Argument(help="A run's number; the last one unless given.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again until the run has ended.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show a run: its state, rate, time left, and where everything went.

    With --watch and --json one document a line.

    Example: nightread status --watch
    """
    import time

    from db.session import connect, in_transaction
    from nightread.jobs import said_plainly
    from nightread.printing import terminal
    from nightread.settings import load_settings

    settings = load_settings(config)
    engine = connect(settings.need("database_url"))
    console = terminal()
    while True:
        with said_plainly(settings):
            document = in_transaction(engine, lambda session: _look(session, run))
        if as_json:
            typer.echo(document.model_dump_json(indent=None if watch else 1))
        else:
            _print(document, console)
        if not watch or document.state != "running":
            return
        time.sleep(EVERY_S)


def _look(session: "Session", run: int | None) -> "StatusDocument":
    from db import runs
    from db.summary import summary
    from nightread.documents import status
    from nightread.errors import UsageError

    found = runs.latest(session) if run is None else runs.get(session, run)
    if found is None:
        which = "There is no run yet" if run is None else f"There is no run {run}"
        raise UsageError(f"{which}: `nightread screen s3://BUCKET/PREFIX` begins one.")
    return status(found, summary(session, found.id))


def _print(document: "StatusDocument", console: "Console") -> None:
    from nightread.printing import account

    left = document.seconds_left
    ending = f", about {left / 60:.0f} min left" if left is not None else ""
    console.print(f"Run {document.run} is {document.state}{ending}.")
    account(document, console)
