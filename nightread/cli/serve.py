"""`nightread serve`: the worklist's pages and API."""

import typer

from nightread.cli.options import Config


def command(config: Config = None) -> None:
    """Serve the worklist in a browser and as JSON, until it is stopped.

    It listens on this machine alone unless NIGHTREAD_WEB_HOST says otherwise. Research use only, not a medical device: every page says so.

    Example: nightread serve
    """
    from nightread import log
    from nightread.errors import UsageError
    from nightread.settings import load_settings

    try:
        from nightread.web.app import create_app
        from nightread.web.server import address_of, check_database, listen, server_of
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed here: run `pip install 'nightread[web]'`."
        ) from None
    settings = load_settings(config)
    log.configure(settings.log_format)
    app = create_app(settings)
    check_database(app.state.services)
    with listen(settings) as listening:
        typer.echo(address_of(app), err=True)
        server_of(app, settings).run(sockets=[listening])
