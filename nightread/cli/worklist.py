"""`nightread worklist`: the ranked list."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mammo.codes import Level, Status
from nightread.cli.options import Config, Json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.worklist import WorklistPage

DAY = ["%Y-%m-%d"]


def command(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many studies.")] = 20,
    level: Annotated[Level | None, typer.Option(help="Of this level only.")] = None,
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    status: Annotated[Status | None, typer.Option(help="Of this status only.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=DAY, help="Of this day or later.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="Of this day or earlier.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="That show what this release said: its name or digest.")
    ] = None,
    missing_views: Annotated[
        bool, typer.Option("--missing-views", help="That were scored without all of their views.")
    ] = False,
    not_scored: Annotated[
        bool, typer.Option("--not-scored", help="Without a score: as --level not_scored.")
    ] = False,
    after: Annotated[
        str | None, typer.Option(help="The cursor that the last page ended with.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show the studies to read first; those that could not be scored stand among them, marked.

    Example: nightread worklist --status unread --limit 5
    """
    from db.runs import release_named
    from db.session import connect, in_transaction
    from db.worklist import InvalidCursor, page
    from nightread.documents import worklist
    from nightread.errors import UsageError
    from nightread.jobs import said_plainly
    from nightread.printing import ranked, terminal
    from nightread.settings import load_settings

    if not_scored and level not in (None, Level.NOT_SCORED):
        raise UsageError(f"--not-scored and --level {level}: a study is one or the other.")

    def asked(session: "Session") -> "WorklistPage":
        digest = release_named(session, release) if release else None
        if release and digest is None:
            raise UsageError(f"No release {release!r} has said anything in this database.")
        return page(
            session,
            limit,
            Level.NOT_SCORED if not_scored else level,
            site,
            after,
            status=status,
            first=first.date() if first else None,
            last=last.date() if last else None,
            release=digest,
            missing_views=missing_views,
        )

    settings = load_settings(config)
    engine = connect(settings.need("database_url"))
    try:
        with said_plainly(settings):
            found = in_transaction(engine, asked)
    except InvalidCursor:
        raise UsageError("--after is not a cursor: use what a page gave as `next`.") from None
    document = worklist(found)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        ranked(document, terminal())
