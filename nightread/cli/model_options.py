"""What several commands of `nightread models` take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Target(StrEnum):
    """Where a release's graphs are meant to run."""

    CPU = "cpu"
    TENSORRT = "tensorrt"


Name = Annotated[
    str | None, typer.Argument(metavar="[RELEASE]", help="The newest one unless named.")
]
Dir = Annotated[
    Path | None, typer.Option("--releases", help="Where releases lie, instead of the settings'.")
]
Plans = Annotated[
    Path | None,
    typer.Option(
        "--plans",
        metavar="DIR",
        help="Where `models build` left plans: check these, on the machine with the GPU.",
    ),
]
