"""`nightread demo`: the whole way on this machine."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Json, Quiet

if TYPE_CHECKING:
    from nightread.settings import Settings

STACK = Path(".nightread")
TRY_AGAIN = 4
SHOWN = 1000  # studies of the worklist that a demonstration prints


def command(
    studies: Annotated[int, typer.Option(min=1, help="Phantom studies in the archive.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the phantoms.")] = 0,
    archive: Annotated[
        Path | None,
        typer.Option(help="Screen this folder instead of phantoms.", exists=True, file_okay=False),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the services running.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Start S3, Postgres and Triton, fill an archive, screen it and print the worklist.

    The services stop at the end, and what the demo made goes, unless --keep; then `nightread
    worklist`, `status` and `screen` go on with them, and `nightread stack down` stops them. A
    stack that was there before in `.nightread` is used and stays.

    Example: nightread demo --studies 8
    """
    from functools import partial

    from nightread.demo import fill_with_folder, fill_with_phantoms
    from nightread.printing import steps
    from nightread.settings import load_settings
    from nightread.stack.down import down, running
    from nightread.stack.layout import Layout
    from nightread.stack.up import up

    layout = Layout(STACK.absolute())
    found, was_up = layout.root.exists(), running(layout) is not None

    def tell(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    try:
        up(layout, load_settings(stack_file=None), tell)
        settings = load_settings(layout.settings_file, environment=False)
        truth: dict[str, str] | None = None
        if archive is None:
            bar = partial(steps, quiet=quiet)
            prefix, truth = fill_with_phantoms(settings, layout, studies, seed, bar)
        else:
            prefix = fill_with_folder(settings, layout, archive)
        tell(f"screening {prefix}")
        again = _screen(settings, prefix, truth, as_json=as_json, quiet=quiet)
    finally:
        if not keep and not was_up:
            down(layout)
            if not found:
                shutil.rmtree(layout.root, ignore_errors=True)
    if keep and not quiet:
        typer.echo(
            "The services keep running: try `nightread worklist`, `nightread status`, "
            f"`nightread screen {prefix}`; `nightread stack down` stops them.",
            err=True,
        )
    if again:
        raise typer.Exit(TRY_AGAIN)


def _screen(
    settings: "Settings",
    prefix: str,
    truth: dict[str, str] | None,
    *,
    as_json: bool,
    quiet: bool,
) -> dict[str, int]:
    """Screen, print account and worklist; returns what the next run would try again."""
    from db.session import connect, in_transaction
    from db.worklist import page
    from nightread.cli.screen import run
    from nightread.documents import worklist
    from nightread.printing import account, headline, ranked, terminal
    from nightread.shapes import DemoDocument

    document, again = run(settings, prefix, quiet=quiet)
    engine = connect(settings.need("database_url"))
    listed = worklist(in_transaction(engine, lambda session: page(session, SHOWN)))
    engine.dispose()
    if as_json:
        whole = DemoDocument(**document.model_dump(), worklist=listed)
        typer.echo(whole.model_dump_json(indent=1))
    else:
        console = terminal()
        console.print(headline(document))
        account(document, console)
        console.print()
        ranked(listed, console, truth)
    return again
