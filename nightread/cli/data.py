"""`nightread data`: data sets for research, checked and split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Json, Quiet
from nightread.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from training.datasets.check import Report

app = typer.Typer(help="Data sets for research: check, split.", no_args_is_help=True)

Dir = Annotated[Path, typer.Argument(help="The folder of one data set.", metavar="DIR")]
PICTURES = 24  # on the page


@app.command("check")
def check(
    folder: Dir,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write FILE.html, with pictures.", dir_okay=False)
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Read every file whole, not its header alone.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recognise a data set, count what is in it and name everything odd.

    Missing and broken entries are results: the exit code is 0.

    Example: nightread data check /data/CBIS-DDSM --page check.html
    """
    from nightread.printing import steps
    from nightread.shapes import DataCheckDocument
    from training.datasets import catalog
    from training.datasets.check import check as checked
    from training.datasets.check import look
    from training.datasets.collection import DatasetError

    try:
        reader, collection = catalog.read(folder)
    except DatasetError as error:
        raise UsageError(str(error)) from None
    looked = None
    if pixels:
        with steps("pixels", len(collection.records), quiet=quiet) as step:
            looked = look(collection, step)
    report = checked(reader, collection, looked)
    if page is not None:
        _write_page(report, page)
    if as_json:
        typer.echo(DataCheckDocument.model_validate(report.as_dict()).model_dump_json(indent=1))
        return
    from nightread.printing import terminal

    _print(report, terminal())
    if page is not None:
        typer.echo(f"\nPage with pictures: {page}")


@app.command("split")
def split(
    folder: Dir,
    out: Annotated[Path, typer.Option("--out", help="FILE.json to write.", dir_okay=False)],
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="A split of our own; without it the official one.", min=0),
    ] = None,
    validation: Annotated[float, typer.Option(min=0, max=1, help="Share of patients.")] = 0.15,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of patients.")] = 0.2,
) -> None:
    """Divide a data set by patient and save who is where.

    Example: nightread data split /data/mini-mias --seed 1 --out split.json
    """
    from training.datasets import catalog, splits
    from training.datasets.collection import DatasetError

    if validation + test > 1:
        raise UsageError("--validation and --test are shares of one whole: more than 1 together.")
    try:
        _, collection = catalog.read(folder)
        chosen = (
            splits.official(collection)
            if seed is None
            else splits.seeded(collection, seed, validation, test)
        )
        splits.save(chosen, out)
    except DatasetError as error:
        raise UsageError(str(error)) from None
    parts = list(chosen.patients.values())
    named = ", ".join(f"{parts.count(part)} {part}" for part in dict.fromkeys(sorted(parts)))
    dropped = f"; {len(chosen.dropped)} images dropped" if chosen.dropped else ""
    typer.echo(f"{out}: {named}{dropped} ({chosen.rule})")


def _write_page(report: "Report", path: Path) -> None:
    from mammo.prepare import Preparation
    from training.datasets import gallery
    from training.datasets.page import page

    chosen = gallery.chosen(report.collection.records, PICTURES)
    text = page(report, gallery.thumbnails(chosen, Preparation()))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--page {path} can't be written: {error.strerror}.") from None


def _print(report: "Report", console: "Console") -> None:
    """Counts, comparisons and oddities as tables."""
    from rich.table import Table

    console.print(f"[bold]{report.reader.title}[/bold]  ({report.reader.name})")
    for note in report.reader.notes:
        console.print(note, style="dim")
    counted = Table(box=None, pad_edge=False, show_header=False)
    counted.add_column(style="bold", no_wrap=True)
    counted.add_column(overflow="fold")
    for name, values in report.counts.items():
        counted.add_row(name, ", ".join(f"{value} {number}" for value, number in values.items()))
    console.print(counted)
    if report.published:
        table = Table("published", "here", "there", "by whom", box=None, pad_edge=False)
        for one in report.published:
            style = None if one.here == one.published else "yellow"
            table.add_row(one.what, str(one.here), str(one.published), one.source, style=style)
        console.print()
        console.print(table)
    if report.official and report.official.dropped:
        dropped = len(report.official.dropped)
        console.print(f"\nOfficial split: {dropped} training images of test patients are dropped.")
    odd = Table("odd", "times", "meaning", "for example", box=None, pad_edge=False)
    for code in report.odd:
        odd.add_row(code.code, str(code.count), code.code.meaning, ", ".join(code.examples[:2]))
    console.print()
    console.print(odd if report.odd else "Nothing odd.")
    for problem in report.problems[:PICTURES]:
        console.print(
            f"{problem.code}: {problem.where} {problem.detail}", style="yellow", markup=False
        )
    if len(report.problems) > PICTURES:
        console.print(f"and {len(report.problems) - PICTURES} more: --json names all of them")
