"""`nightread worklist`: the ranked list."""

from typing import Annotated

import typer

from mammo.codes import Level
from nightread.cli.options import Config, Json


def command(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many studies.")] = 20,
    level: Annotated[Level | None, typer.Option(help="Of this level only.")] = None,
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    after: Annotated[
        str | None, typer.Option(help="The cursor that the last page ended with.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show the studies to read first; those that could not be scored stand among them, marked.

    Example: nightread worklist --limit 5
    """
    from db.session import connect, in_transaction
    from db.worklist import InvalidCursor, page
    from nightread.documents import worklist
    from nightread.errors import UsageError
    from nightread.jobs import said_plainly
    from nightread.printing import ranked, terminal
    from nightread.settings import load_settings

    settings = load_settings(config)
    engine = connect(settings.need("database_url"))
    try:
        with said_plainly(settings):
            found = in_transaction(engine, lambda s: page(s, limit, level, site, after))
    except InvalidCursor:
        raise UsageError("--after is not a cursor: use what a page gave as `next`.") from None
    document = worklist(found)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        ranked(document, terminal())
