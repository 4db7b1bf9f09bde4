"""`nightread tokens`: what programs sign in with."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from nightread.cli.options import Config, Json


class TokenRole(StrEnum):
    """Whatever has a token, has one of these; identity is for people."""

    READER = "reader"
    SUPERVISOR = "supervisor"
    SERVICE = "service"
    AUDITOR = "auditor"


app = typer.Typer(help="Issue, list and revoke services' tokens.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Of the program, as the audit is to name it.")]


@app.command()
def issue(
    name: Name,
    role: Annotated[TokenRole, typer.Option(help="What it may do.")] = TokenRole.SERVICE,
    days: Annotated[int, typer.Option(min=1, max=730, help="Until it expires.")] = 90,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Print a new token on standard output. It is shown this once: only its digest is kept.

    Example: nightread tokens issue ris --role service --days 90 > ris.token
    """
    from nightread.settings import load_settings
    from nightread.tokens import issue as issued

    made = issued(load_settings(config), name, role, days)
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
        return
    typer.echo(made.token)
    typer.echo(f"{name}: {role}, until {made.expires_at:%Y-%m-%d}", err=True)


@app.command()
def revoke(name: Name, config: Config = None) -> None:
    """End a token at once.

    Example: nightread tokens revoke ris
    """
    from nightread.settings import load_settings
    from nightread.tokens import revoke as ended

    ended(load_settings(config), name)
    typer.echo(f"{name}: revoked.", err=True)


@app.command("list")
def show(as_json: Json = False, config: Config = None) -> None:
    """Show every token that was issued: name, role, and until when.

    Example: nightread tokens list
    """
    from nightread.settings import load_settings
    from nightread.tokens import listed

    found = listed(load_settings(config))
    if as_json:
        typer.echo(json.dumps([token.model_dump(mode="json") for token in found], indent=1))
        return
    for token in found:
        ended = f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at else ""
        typer.echo(
            f"{token.name}\t{token.role}\tuntil {token.expires_at:%Y-%m-%d}\t{ended}".rstrip()
        )
