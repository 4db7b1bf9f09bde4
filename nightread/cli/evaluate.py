"""`nightread evaluate`: what a run is worth, from its predictions."""

from pathlib import Path
from typing import Annotated

import typer

from nightread.cli.options import Json, Quiet

Folder = typer.Option(
    "--from-predictions",
    help="A folder of predictions-*.jsonl, such as a record in training/results.",
)


def command(
    run: Annotated[Path | None, typer.Argument(help="The folder of a finished run.")] = None,
    predictions: Annotated[Path | None, Folder] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the folders of real data sets lie, for pictures and densities.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="FILE.html: the report, all in one file.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute a run's figures again from its predictions, with intervals, and write a report.

    The report shows ROC, precision and recall, FROC, reliability and confusion, results by what
    is known of the images, and the worst misses and false alarms. Phantoms are drawn again for it.

    Example: nightread evaluate --from-predictions training/results/NAME --out report.html
    """
    from nightread.errors import UsageError
    from nightread.evaluating import document, evaluate, lines

    if (run is None) == (predictions is None):
        raise UsageError("Name either the folder of a run or --from-predictions DIR.")
    if out and (out.suffix != ".html" or not out.resolve().parent.is_dir()):
        raise UsageError(f"--out {out} must end in .html and lie in a folder that exists.")
    if out is None and not as_json:
        raise UsageError("Name the report with --out FILE.html, or ask for figures with --json.")

    def tell(said: str) -> None:
        if not quiet:
            typer.echo(said, err=True)

    found = evaluate(run or predictions or Path(), data, tell, draw=out is not None)
    if out:
        out.write_text(found.html, encoding="utf-8")
    said = document(found, out)
    if as_json:
        typer.echo(said.model_dump_json(indent=1))
    else:
        for line in lines(said):
            typer.echo(line)
        typer.echo(f"wrote {out}")
