"""`nightread evaluate`: what a run is worth, from its predictions."""

from pathlib import Path
from typing import Annotated

import typer

from nightread.cli.options import Config, Json, Quiet

Folder = typer.Option(
    "--from-predictions",
    help="A folder of predictions-*.jsonl, such as a record in training/results.",
)


def command(
    run: Annotated[Path | None, typer.Argument(help="The folder of a finished run.")] = None,
    predictions: Annotated[Path | None, Folder] = None,
    worklist: Annotated[
        bool,
        typer.Option("--from-worklist", help="What releases said, against imported outcomes."),
    ] = False,
    site: Annotated[str | None, typer.Option(help="With --from-worklist: of this site.")] = None,
    release: Annotated[
        str | None, typer.Option(help="With --from-worklist: of this release, by name or digest.")
    ] = None,
    follow_up_days: Annotated[
        int,
        typer.Option(min=1, help="With --from-worklist: within which a cancer counts as missed."),
    ] = 365,
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
    config: Config = None,
) -> None:
    """Compute figures with intervals: of a run from its predictions, or of the worklist.

    The report shows ROC, precision and recall, FROC, reliability and confusion, results by what
    is known of the images, and the worst misses and false alarms. Phantoms are drawn again for it.

    --from-worklist holds the current results in the database against what `nightread outcomes
    import` took, by release and site, with and without studies that were decided on after the
    score was seen.

    Example: nightread evaluate --from-predictions training/results/NAME --out report.html
    """
    from nightread.errors import UsageError
    from nightread.evaluating import document, evaluate, lines

    if [run is not None, predictions is not None, worklist].count(True) != 1:
        raise UsageError(
            "Name either the folder of a run or --from-predictions DIR, or say --from-worklist."
        )
    if worklist:
        _of_worklist(site, release, follow_up_days, config, as_json=as_json)
        return
    if site or release:
        raise UsageError("--site and --release go with --from-worklist.")
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


def _of_worklist(
    site: str | None,
    release: str | None,
    follow_up_days: int,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    from nightread.settings import load_settings
    from nightread.worklist_figures import lines, measured

    document = measured(load_settings(config), site, release, follow_up_days)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        for line in lines(document):
            typer.echo(line)
