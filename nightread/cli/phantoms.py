"""`nightread phantoms`: studies with known truth."""

from pathlib import Path
from typing import Annotated

import typer

from nightread.cli.options import Quiet


def command(
    out: Annotated[
        Path, typer.Argument(help="A folder, made if it is not there.", file_okay=False)
    ],
    studies: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same studies.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write synthetic four-view studies: DICOM files, lesion masks and truth.json.

    Half are malignant, a quarter benign, the rest normal.

    Example: nightread phantoms /tmp/phantoms --studies 8 --seed 1
    """
    from nightread.errors import UsageError
    from nightread.phantom_files import write
    from nightread.printing import steps

    try:
        with steps("phantoms", studies, quiet=quiet) as done:
            truth = write(out, studies, seed, done)
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}.") from None
    labels = [study["label"] for study in truth]
    counts = ", ".join(f"{labels.count(n)} {n}" for n in ("malignant", "benign", "normal"))
    typer.echo(f"{studies} studies in {out}: {counts}")
