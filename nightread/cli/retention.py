"""`nightread retention`: what is kept no longer than is said."""

from typing import Annotated

import typer

from nightread.cli.options import Config, Json

app = typer.Typer(
    help="What is kept no longer than is said.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def group() -> None:
    """Hold the commands, of which there is one."""


@app.command()
def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove what is older than NIGHTREAD_KEEP_…_DAYS; what has no such setting is kept for good.

    Superseded results, ended runs, scores by night, the record of exports, sessions and tokens
    that ended. Never a study, never anything of one that nobody has read, and never what a reader
    decided on.

    Example: nightread retention run --dry-run
    """
    from db.retention import TABLES, let_go, old
    from db.session import connect
    from nightread.erasing import who
    from nightread.jobs import said_plainly
    from nightread.settings import load_settings
    from nightread.shapes import RetentionDocument

    settings = load_settings(config)
    days = {
        name: kept
        for name in TABLES
        if (kept := getattr(settings, f"keep_{name}_days")) is not None
    }
    engine = connect(settings.need("erasure_database_url"))
    try:
        with said_plainly(settings, "erasure_database_url"):
            removed = old(engine, days) if dry_run else let_go(engine, days, who())
    finally:
        engine.dispose()
    document = RetentionDocument(
        dry_run=dry_run,
        removed=removed,
        kept_for_good=[name for name in TABLES if name not in days],
    )
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
        return
    for name, number in removed.items():
        typer.echo(f"{name}: {number} {'would go' if dry_run else 'removed'}")
    if document.kept_for_good:
        typer.echo(f"Kept for good: {', '.join(document.kept_for_good)}.")
