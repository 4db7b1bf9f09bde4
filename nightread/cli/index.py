"""`nightread index`: what is known of the archive, judged anew."""

from typing import Annotated

import typer

from nightread.cli.options import Config, Json


def command(
    rejudge: Annotated[
        bool,
        typer.Option("--rejudge", help="Apply changed rules and policies to all that is indexed."),
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Judge what the index holds under today's rules and sites, without reading an object.

    After an update that changed the rules, or a change in the table `sites`. The next `nightread
    screen` screens the studies that changed. New objects are indexed by `nightread screen`.

    Example: nightread index --rejudge
    """
    from db.rejudge import rejudge as judge_again
    from db.session import connect
    from nightread.documents import rejudged
    from nightread.errors import UsageError
    from nightread.jobs import said_plainly
    from nightread.printing import changes, terminal
    from nightread.settings import load_settings

    if not rejudge:
        raise UsageError("Say --rejudge: new objects are indexed by `nightread screen`.")
    settings = load_settings(config)
    engine = connect(settings.need("database_url"))
    with said_plainly(settings):
        document = rejudged(judge_again(engine))
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        changes(document, terminal())
