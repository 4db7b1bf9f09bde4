"""`nightread db`: bring the database to the schema of this version, or ask whether it is."""

from typing import TYPE_CHECKING, NoReturn

import typer

from nightread.cli.options import Config

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

app = typer.Typer(help="Migrate the database's schema, or check it.", no_args_is_help=True)

NOT_UP_TO_DATE = 5


def _url(config: Config) -> str:
    from nightread.settings import load_settings

    return load_settings(config).need("migration_database_url")


def _give_up(url: str, error: "DBAPIError") -> NoReturn:
    """A sentence that names the server and no value: SQL's own texts hold parameters."""
    from sqlalchemy import make_url

    from db.session import is_lost
    from nightread.errors import ServiceError

    server = make_url(url)
    where = f"PostgreSQL at {server.host or 'localhost'}:{server.port or 5432}"
    if is_lost(error):
        raise ServiceError(
            f"{where} could not be reached or refused the login {server.username!r}: check that it"
            f" runs, the address, the database {server.database!r} and the password file."
        ) from None
    code = getattr(error.orig, "pgcode", None)
    raise ServiceError(
        f"{where} refused the migration (SQLSTATE {code}): check that the login"
        f" {server.username!r} owns the database {server.database!r} and may create roles."
    ) from None


@app.command()
def upgrade(config: Config = None) -> None:
    """Run the missing migrations, as the schema's owner.

    Example: nightread db upgrade
    """
    from sqlalchemy.exc import DBAPIError

    from db import migrate
    from nightread.errors import Refused, ServiceError

    url = _url(config)
    try:
        migrate.upgrade(url)
    except migrate.MigrationLocked:
        raise ServiceError(
            "Another migration is running, or a session holds a table that this one needs:"
            " nothing was changed, run it again."
        ) from None
    except migrate.NewerDatabase as newer:
        raise Refused(
            f"The database is at revision {newer.revision}, of a newer version of nightread, and"
            " there is no way down: install that version again, or restore a backup."
        ) from None
    except DBAPIError as error:
        _give_up(url, error)
    typer.echo("The database is up to date.")


@app.command()
def check(config: Config = None) -> None:
    """Say what keeps the database from being up to date; exit code 5 if anything does.

    Example: nightread db check
    """
    from sqlalchemy.exc import DBAPIError

    from db import migrate

    url = _url(config)
    try:
        problems = migrate.check(url)
    except DBAPIError as error:
        _give_up(url, error)
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo("Run `nightread db upgrade`.", err=True)
        raise typer.Exit(NOT_UP_TO_DATE)
    typer.echo("The database is up to date.")
