"""`nightread screen`: the nightly job."""

from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Config, Json, Quiet

if TYPE_CHECKING:
    from nightread.settings import Settings
    from nightread.shapes import ScreenDocument

TRY_AGAIN = 4


def command(
    prefix: Annotated[str, typer.Argument(help="s3://BUCKET/PREFIX")],
    release: Annotated[
        str | None,
        typer.Option(help="Unless named: the site's active one, the settings', or the newest."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A Ray cluster's address; a local Ray unless given.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Screen at most so many studies.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Index what lies under a prefix and screen what the release has not.

    Run it again at any time: what is done is not done twice.

    Example: nightread screen s3://archive/2026/
    """
    from nightread.printing import account, headline, terminal
    from nightread.settings import load_settings

    settings = load_settings(config)
    document, again = run(settings, prefix, release, ray_address, limit, quiet=quiet)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        console = terminal()
        console.print(headline(document))
        account(document, console)
    if again:
        typer.echo(
            "nightread: to be tried again by the next run: "
            + ", ".join(f"{reason} {n}" for reason, n in again.items()),
            err=True,
        )
        raise typer.Exit(TRY_AGAIN)


def run(
    settings: "Settings",
    prefix: str,
    release: str | None = None,
    ray_address: str | None = None,
    limit: int | None = None,
    *,
    quiet: bool,
) -> "tuple[ScreenDocument, dict[str, int]]":
    """One run: its document, and what the next one tries again, by reason."""
    import signal

    from nightread import log
    from nightread.documents import screened, to_be_tried_again
    from nightread.jobs import job_of, parse_prefix, said_plainly
    from nightread.printing import reporter
    from nightread.releases import open_active
    from ray_jobs.night import screen_night

    log.configure(settings.log_format)
    # Kubernetes stops a pod by SIGTERM: the same orderly end as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    where = parse_prefix(prefix)
    with said_plainly(settings):
        chosen = open_active(release, where, settings)
    job = job_of(settings, where, chosen, ray_address=ray_address, limit=limit)
    with said_plainly(settings), reporter(quiet=quiet) as progress:
        finished, counted = screen_night(job, progress)
    return screened(finished, counted), to_be_tried_again(counted)
