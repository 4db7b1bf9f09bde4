"""`nightread export`: results out to the hospital, and to analysts."""

from typing import Annotated

import typer

from nightread.cli.options import Config, Json
from nightread.export.kinds import Kind


def command(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY", help="Study Instance UIDs or pseudonyms.")
    ],
    to: Annotated[
        str,
        typer.Option(help="A folder, s3://BUCKET/PREFIX, https://HOST/dicom-web or AET@HOST:PORT."),
    ],
    kind: Annotated[
        Kind,
        typer.Option(
            "--as",
            help="cad-sr: a report a study; gsps: a presentation state an image; sc: a picture a "
            "study; csv, parquet: tables of pseudonyms.",
        ),
    ] = Kind.CAD_SR,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Send what the worklist shows of studies to a PACS, a bucket or a folder.

    Research use only, not a medical device: every object says so, and names its release. The same
    again is the same object.

    Example: nightread export 1.2.840.1 --as cad-sr --to PACS@pacs.example:11112
    """
    from nightread.exporting import send
    from nightread.settings import load_settings

    document = send(studies, kind, to, load_settings(config))
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
        return
    for item in document.objects:
        typer.echo(item.name)
    sent = len(document.objects)
    typer.echo(f"{sent} {'object' if sent == 1 else 'objects'} to {to}. {document.notice}.")
