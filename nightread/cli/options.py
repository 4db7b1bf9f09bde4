"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="A TOML file of settings; see README.", exists=True, dir_okay=False
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]
