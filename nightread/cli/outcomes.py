"""`nightread outcomes`: what became of patients, told by the hospital."""

from pathlib import Path
from typing import Annotated

import typer

from nightread.cli.options import Config, Json

app = typer.Typer(
    help="What became of patients, told by the hospital.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def group() -> None:
    """Hold the commands, of which there is one."""


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns study, laterality, kind, date, result.",
            exists=True,
            dir_okay=False,
        ),
    ],
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Take outcomes of breasts: pathology, interval cancers, assessments.

    A study is named by its Study Instance UID or pseudonym. The same file again changes nothing.
    A line that is wrong is reported with its number, and all others are taken: exit code 5 then.
    Lines of studies that are not in the index are counted; import them again when they are.

    Example: nightread outcomes import outcomes-2026.csv
    """
    from datetime import UTC, datetime

    from db.session import connect
    from nightread.errors import Refused
    from nightread.jobs import pseudonyms_of, said_plainly
    from nightread.outcomes import MOST_WRONG, take
    from nightread.settings import load_settings
    from nightread.shapes import OutcomesDocument, WrongLine

    settings = load_settings(config)
    engine = connect(settings.need("database_url"))
    try:
        with said_plainly(settings):
            kept, wrong = take(engine, file, pseudonyms_of(settings), datetime.now(UTC).date())
    finally:
        engine.dispose()
    document = OutcomesDocument(
        new=kept.new,
        changed=kept.changed,
        unchanged=kept.unchanged,
        unknown=kept.unknown,
        erased=kept.erased,
        wrong=[WrongLine(line=one.line, what=one.what) for one in wrong[:MOST_WRONG]],
        wrong_lines=len(wrong),
    )
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        typer.echo(f"{kept.new} new, {kept.changed} changed, {kept.unchanged} unchanged")
        for what, lines in (("not in the index", kept.unknown), ("erased", kept.erased)):
            if lines:
                numbers = ", ".join(map(str, lines[:20])) + (", …" if lines[20:] else "")
                typer.echo(f"{len(lines)} of studies that are {what}: lines {numbers}")
        for one in document.wrong:
            typer.echo(f"line {one.line}: {one.what}", err=True)
    if wrong:
        raise Refused(
            f"{len(wrong)} lines were not taken: correct them, and import the file again."
        )
