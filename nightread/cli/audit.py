"""`nightread audit`: who saw or did what, taken away signed, and looked at elsewhere."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Config

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.audit import Entry

app = typer.Typer(help="Take the audit away, signed, or verify a copy.", no_args_is_help=True)

PAGE = 5000  # entries


@app.command()
def export(
    after: Annotated[int, typer.Option(min=0, help="Entries behind this number only.")] = 0,
    settle: Annotated[
        int, typer.Option(min=0, help="Leave out entries younger than this, in seconds.")
    ] = 60,
    config: Config = None,
) -> None:
    """Write the audit to standard output as JSON lines, signed with the key of the settings.

    Entries are numbered before they are committed: young ones wait for the next export, so that
    `--after` misses none. Exit code 5 if the chain in the database is broken; the export is written all the same.

    Example: nightread audit export > audit-2026-11-26.jsonl
    """
    from db import audit
    from db.session import connect, in_transaction
    from nightread.audit_file import private_key, signed
    from nightread.errors import Refused
    from nightread.jobs import said_plainly
    from nightread.settings import load_settings

    def pages(session: "Session") -> "Iterator[Entry]":
        last = after
        while found := audit.entries(session, last, PAGE, settle):
            yield from found
            last = found[-1].id

    def written(session: "Session") -> list[int]:
        for line in signed(pages(session), key, datetime.now(UTC), after):
            sys.stdout.write(f"{line}\n")
        return audit.broken(session)

    settings = load_settings(config)
    key = private_key(Path(settings.need("audit_key_file")))
    with said_plainly(settings, "audit_database_url"):
        engine = connect(settings.need("audit_database_url"))
        broken = in_transaction(engine, written)
    if broken:
        raise Refused(
            f"The audit was tampered with in the database: {len(broken)} entries are not what was "
            f"written or follow a missing one, the first is {broken[0]}. Keep earlier exports."
        )


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Of `audit export`.")],
    public_key: Annotated[
        Path | None,
        typer.Option(help="PEM. Without it: that of the settings' key.", exists=True),
    ] = None,
    config: Config = None,
) -> None:
    """Say whether an exported audit is whole and unchanged; exit code 5 and the line if it is not.

    Example: nightread audit verify audit-2026-11-26.jsonl --public-key audit.pub.pem
    """
    from nightread.audit_file import private_key
    from nightread.audit_file import public_key as read_public
    from nightread.audit_file import verify as verified
    from nightread.settings import load_settings

    if public_key is None:
        key = private_key(Path(load_settings(config).need("audit_key_file"))).public_key()
    else:
        key = read_public(public_key)
    with file.open("rb") as lines:
        entries = verified(lines, key)
    typer.echo(f"{entries} {'entry' if entries == 1 else 'entries'}, whole and unchanged.")
